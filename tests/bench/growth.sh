#!/bin/sh
# What a job costs while its state grows: growth.sh BUILD [keys...], by default 10 thousand to 50 million. Each number of keys is
# a run of `bench_job growth KEYS both RECORDS 1 512 0` (RECORDS: 3000000); its two lines in growth.tsv are written anew, and
# growth.svg is drawn from all lines. 50 million keys take more than 10 GB below TMPDIR and many minutes.
set -eu
build=${1:?usage: growth.sh BUILD [keys...]}
shift
here=$(cd "$(dirname "$0")" && pwd)
tsv=$here/growth.tsv
records=${RECORDS:-3000000}
[ $# -gt 0 ] || set -- 10000 100000 1000000 10000000 50000000
tab=$(printf '\t')

for keys; do
    lines=$("$build/bench_job" growth "$keys" both "$records" 1 512 0 | grep '^growth ')
    {
        echo "# bench_job growth KEYS both RECORDS 1 512 0: SUM per key into a table, 512 MiB for state, one shard"
        echo "date${tab}commit${tab}keys${tab}distribution${tab}records${tab}fill_per_s${tab}per_s${tab}per_cpu_s${tab}state_bytes${tab}peak_bytes${tab}resident_bytes"
        {
            [ ! -f "$tsv" ] || awk -F '\t' -v keys="$keys" '/^[0-9]/ && $3 != keys' "$tsv"
            echo "$lines" | awk -v date="$(date -u +%F)" -v commit="$(git -C "$here" rev-parse --short HEAD)" -v n="$records" '
                function of(name, i) { for (i = 1; i <= NF; i++) if (index($i, name "=") == 1) return substr($i, length(name) + 2) }
                { printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", date, commit, of("keys"), $3, n, of("fill_per_s"),
                         of("per_s"), of("per_cpu_s"), of("state_bytes"), of("peak_bytes"), of("resident_bytes") }'
        } | sort -t "$tab" -k3,3n -k4,4r
    } >"$tsv.new"
    mv "$tsv.new" "$tsv"
done

# Both axes are logarithmic: 10^3.5 to 10^8 keys, 10^4 to 10^7 events a second of CPU time.
awk -F '\t' '
    function x(keys) { return 70 + (log(keys) / log(10) - 3.5) * 120 }
    function y(rate) { return 330 - (log(rate) / log(10) - 4) * 100 }
    function text(px, py, anchor, s) {
        printf "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\" font-family=\"sans-serif\" font-size=\"12\">%s</text>\n", px, py, anchor, s
    }
    BEGIN {
        print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 390\" width=\"640\" height=\"390\">"
        print "<rect width=\"640\" height=\"390\" fill=\"white\"/>"
        text(70, 18, "start", "Events per second of CPU time over the number of keys; 512 MiB for state")
        for (e = 4; e <= 7; e++) {
            printf "<path d=\"M70 %dH610\" stroke=\"#ccc\"/>\n", y(10 ^ e)
            text(64, y(10 ^ e) + 4, "end", e == 7 ? "10 M" : e == 6 ? "1 M" : 10 ^ (e - 3) " k")
        }
        for (e = 4; e <= 8; e++) {
            printf "<path d=\"M%d 30V330\" stroke=\"#ccc\"/>\n", x(10 ^ e)
            text(x(10 ^ e), 348, "middle", e < 6 ? 10 ^ (e - 3) " k" : 10 ^ (e - 6) " M")
        }
        text(340, 372, "middle", "keys")
        color["zipf"] = "#0072b2"
        color["uniform"] = "#d55e00"
        name["zipf"] = "Zipf, exponent 0.99"
        name["uniform"] = "uniform"
    }
    /^[0-9]/ {
        line[$4] = line[$4] sprintf("%s%.1f %.1f", line[$4] == "" ? "M" : "L", x($3), y($8))
        dots[$4] = dots[$4] sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x($3), y($8), color[$4])
    }
    END {
        for (i = 0; i < 2; i++) {
            kind = i ? "uniform" : "zipf"
            if (line[kind] == "")
                continue
            printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n%s", line[kind], color[kind], dots[kind]
            printf "<path d=\"M440 %dH465\" stroke=\"%s\" stroke-width=\"2\"/>\n", 50 + 18 * i, color[kind]
            text(472, 54 + 18 * i, "start", name[kind])
        }
        print "</svg>"
    }' "$tsv" >"$here/growth.svg"
