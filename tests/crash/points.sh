#!/bin/bash
# tests/crash/points.txt names every fault point of the sources, each once, and nothing else.
set -u
cd "$ROOT" || exit 1
listed=$(grep -v '^#' tests/crash/points.txt | grep . | sort)
there=$(grep -rhoE 'FAULT\("[^"]+"\)' --include=*.c log state engine sql udf | sed 's/.*"\(.*\)".*/\1/' | sort)
diff <(echo "$there") <(echo "$listed") && echo "$(echo "$listed" | wc -l) points"
