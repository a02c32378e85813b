/* Every bound of the program, with its reason. -DTINY=ON shrinks those whose edges tests must reach often.
 * Numbers that become text (defaults in config.def) are plain literals. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define LIMIT_TEXT_(n) #n
#define LIMIT_TEXT(n) LIMIT_TEXT_(n) /* a bound as a string literal */

/* ---- base */

/* Nesting of a msgpack value. Deeper ones come only from an attacker: reading recurses once a level. */
#define PACK_DEPTH 64

/* A regular expression of a client: bytes, and steps that a name may cost (a request has one pattern, and a server may
 * have many names). SQL's may cost a row more: 10 ms or so. Then what a match that goes back and back may hold. */
#define PATTERN_BYTES 1024
#define PATTERN_NAME_STEPS 20000
#define PATTERN_ROW_STEPS 1000000
#define PATTERN_DEPTH 1000
#define PATTERN_HEAP_KIB 20000

/* Arena chunks: small enough that a thousand idle connections cost little, large enough that malloc is rarely asked.
 * A chunk above the largest size is given back at reset, so that one giant request is not remembered for ever. */
#ifdef TINY
#define ARENA_CHUNK_MIN 256
#define ARENA_CHUNK_MAX 1024
#else
#define ARENA_CHUNK_MIN 1024
#define ARENA_CHUNK_MAX 262144
#endif

/* Slabs of record bytes are recycled because fresh memory costs ten times a reused page; what is kept is bounded so
 * that an idle server is small again. */
#define BUF_CLASS_MIN 4096    /* smaller ones are malloc's own business */
#define BUF_CLASS_MAX 4194304 /* larger ones are rare: straight to the system */
#ifdef TINY
#define BUF_KEEP_BYTES 65536
#else
#define BUF_KEEP_BYTES 33554432
#endif

/* Threads of one shared lane. Two keep one slow disk read from holding back all others; more would only queue on the
 * same device. */
#define LANE_THREADS 2
/* Worker threads run SQLite and codecs, which need a few tens of KiB; sanitizers multiply that. */
#define WORKER_STACK_BYTES 524288
/* Loops of one process: weir.shards has the same maximum. */
#define LOOPS_MAX 64

/* Depth of folders below which removing a tree gives up: a data folder has four levels. */
#define DISK_TREE_DEPTH 32

/* A configuration file has tens of lines; anything larger is the wrong file. */
#define CONFIG_FILE_BYTES 1048576

/* Words added to a setting that is a list: the longest sound one is "compact,delete". */
#define CONFIG_LIST_BYTES 1024

/* Lines a second of one trace event; more tells an operator nothing. */
#define TRACE_LINES_PER_SECOND 20
#define TRACE_LINE_BYTES 2048

/* ---- wire */

/* A Fetch answers at most 55 MiB and a Produce is bounded by its frame; a batch that takes more memory than this once
 * decompressed is not read at all. */
#define INFLATED_MAX 134217728
/* Working memory of the codecs that is kept between batches: larger ones are too rare to hold memory for. */
#define COMPRESS_KEEP_BYTES 4194304

/* ---- net */

#ifdef TINY
#define CONN_OUT_MAX 16384
#define CONN_INFLIGHT_MAX 8
#define CONN_TURN_BYTES 4096
#define HTTP_IN_MAX 1024
#else
#define CONN_OUT_MAX 4194304    /* queued answer bytes above which no request is read: a peer that does not read waits */
#define CONN_INFLIGHT_MAX 256   /* requests at work per connection */
#define CONN_TURN_BYTES 2097152 /* read or written for one connection in one turn, so that others get theirs */
#define HTTP_IN_MAX 65536       /* pipelined input kept while an HTTP request is at work */
#endif
#define CONN_FIRST_FRAME_MAX 8192  /* before a peer has sent one good request; ApiVersions is far smaller */
#define CONN_FRAME_MS 30000        /* time for a frame, ... */
#define CONN_FRAME_BYTES_PER_MS 16 /* ... more for long ones: 16 KB/s is the slowest upload that is borne */
#define CONN_STUCK_MS 60000        /* a peer that has taken no byte of its answers for so long is closed */
#define ACCEPT_RETRY_MS 100        /* after EMFILE and the like */
#define ACCEPT_TURN_MAX 64         /* connections taken in one turn */
#define FDS_RESERVED 256           /* descriptors that connections never get: the log's */
#define HUNGRY_MS 5                /* how often connections that wait for memory ask again */
#define HTTP_HEAD_MAX 65536        /* request line and headers */
#define HTTP_HEADERS_MAX 128
#define HTTP_BODY_MAX 16777216     /* as promised in net.h */
#define HTTP_OUT_LOW 262144        /* queued bytes below which a stream is asked for more */

/* ---- store */

/* log.segment.bytes: Kafka's default. Tiny: so that every test rolls. */
#ifdef TINY
#define SEGMENT_BYTES_DEFAULT 1024
#else
#define SEGMENT_BYTES_DEFAULT 1073741824
#endif

/* Segment files kept open for readers, all shards together: an LRU, so that partitions may outnumber descriptors. */
#ifdef TINY
#define STORE_FILES_MAX 4
#else
#define STORE_FILES_MAX 512
#endif
/* Segments of one shard that hold unsynced bytes; each pins its descriptor, because an error of writing back could be
 * lost with the last one. Beyond this the shard checkpoints early. */
#ifdef TINY
#define STORE_UNSYNCED_MAX 8
#else
#define STORE_UNSYNCED_MAX 2048
#endif
/* Bytes appended after which a shard checkpoints even if its write-ahead file has room: what recovery scans at most,
 * half a second of reading. */
#ifdef TINY
#define STORE_CHECKPOINT_BYTES 16384
#else
#define STORE_CHECKPOINT_BYTES 268435456
#endif
/* Bytes appended to a partition after which its producers are written down again: what opening it reads at most. */
#ifdef TINY
#define STORE_PRODUCERS_BYTES 4096
#else
#define STORE_PRODUCERS_BYTES 67108864
#endif
/* Read-ahead of a scan: one large read costs less than the copies of many. */
#ifdef TINY
#define STORE_SCAN_BYTES 512
#else
#define STORE_SCAN_BYTES 262144
#endif
/* Read-ahead of a reader that looks for the boundary of a batch: about one index interval. */
#ifdef TINY
#define STORE_PEEK_BYTES 96
#else
#define STORE_PEEK_BYTES 4096
#endif
/* Checkpoint files: some sixty bytes a partition; a million partitions is not a folder of this program. */
#define STORE_POINTS_BYTES 67108864
/* Files beside a segment that are read whole: producers, some hundred bytes each; epochs, twelve bytes each. */
#define STORE_SIDE_FILE_BYTES 268435456
/* Segments that compaction makes one of at once: while they are exchanged the files of all of them are open. */
#ifdef TINY
#define COMPACT_GROUP_MAX 3
#else
#define COMPACT_GROUP_MAX 64
#endif
/* Bytes that one job of compaction reads and writes: some milliseconds, so that other jobs of the lane get theirs. */
#ifdef TINY
#define COMPACT_CHUNK_BYTES 2048
#else
#define COMPACT_CHUNK_BYTES 4194304
#endif
/* Pieces of one vectored write. */
#define STORE_PIECES_MAX 512

/* ---- cluster */

/* Segment of the metadata log: one statement is one recbatch, with a job's whole plan in it, and must fit. */
#ifdef TINY
#define METADATA_SEGMENT_BYTES (256 << 10)
#else
#define METADATA_SEGMENT_BYTES (64 << 20)
#endif
#define CLUSTER_PARTS_MAX 10000 /* partitions of one topic: each costs memory and, once written, a folder */
/* Records of the metadata log after which a snapshot is written, so that a start never replays more than a moment. */
#ifdef TINY
#define CLUSTER_SNAPSHOT_RECORDS 8
#else
#define CLUSTER_SNAPSHOT_RECORDS 10000
#endif
#define CLUSTER_SNAPSHOT_BYTES 1073741824 /* a snapshot larger than this is the wrong file */

/* ---- coord */

/* Read at once while a coordinator's state is replayed: taken in by the loop in one turn. */
#ifdef TINY
#define STATELOG_READ_BYTES 512
#else
#define STATELOG_READ_BYTES 262144
#endif
/* Segments of the internal topics. Only closed ones are compacted and a start replays the rest, so they are smaller
 * than Kafka's 100 MiB; the largest record must fit one. */
#ifdef TINY
#define STATELOG_SEGMENT_BYTES 65536
#else
#define STATELOG_SEGMENT_BYTES 16777216
#endif

/* ---- state */

/* Children of a node of the ordered index: the head numbers of a node fill four cache lines. */
#ifdef TINY
#define BTREE_FAN 4
#else
#define BTREE_FAN 32
#endif
/* Page cache of one open checkpoint file: the inner pages of some gigabytes of state, so that a cold read costs one
 * page. */
#define CHECKPOINT_CACHE_KIB 2048
/* Memory for packed buckets is taken and given back in pieces of so many bytes. */
#ifdef TINY
#define SHELF_BOARD_BYTES 1024
#else
#define SHELF_BOARD_BYTES 131072
#endif
/* A bucket and its row fit one leaf page of the file (4096 - 8 - 35 - varints). Tiny: a few entries, so that tests
 * split. */
#ifdef TINY
#define BUCKET_BYTES 160
#else
#define BUCKET_BYTES 4000
#endif

/* Buckets rewritten in one transaction of a checkpoint while nobody waits for a cold read: some ten milliseconds. */
#ifdef TINY
#define COLD_PUT_BUCKETS 4
#else
#define COLD_PUT_BUCKETS 512
#endif
/* A checkpoint file that nobody asked for so long is closed: idle jobs hold neither descriptors nor page caches. */
#define COLD_IDLE_MS 5000
/* Stores up to this size are read whole at a restart: then they cost nothing but their memory. */
#ifdef TINY
#define COLD_SMALL_BYTES 256
#else
#define COLD_SMALL_BYTES 32768
#endif
/* Changelog that a restart folds into the checkpoint, in sorted pieces of this many bytes, before it replays the rest;
 * so many changes of a piece are written in one transaction. */
#ifdef TINY
#define RESTORE_TAIL_RECORDS 64
#define RESTORE_FOLD_BYTES 65536
#define RESTORE_PUT_CHANGES 64
#else
#define RESTORE_TAIL_RECORDS 500000
#define RESTORE_FOLD_BYTES 402653184
#define RESTORE_PUT_CHANGES 16384
#endif
/* Pieces of sweeps for state to drop, per batch of input. */
#define EVICT_STEPS 512
/* How often sources that wait for a checkpoint that makes room ask for a commit, and how long they wait without one,
 * before they go on regardless; how often they look whether they may, at first and in the end. */
#define PRESSED_MS 1000
#define PRESSED_MAX_MS 60000
#define PRESSED_WAIT_MS 5
#define PRESSED_WAIT_MAX_MS 100
/* Dirty state that is never worth a checkpoint of its own, and changes that are never worth an epoch of theirs. */
#ifdef TINY
#define PRESS_BYTES 8192
#define EPOCH_BYTES_MIN 4096
#else
#define PRESS_BYTES 1048576
#define EPOCH_BYTES_MIN 262144
#endif

/* Checkpoints of one job that are folded and written at once: each holds its changes in memory, and there are no more
 * threads for them. */
#define CHECKPOINTS_MAX 2

/* ---- broker */

/* Partitions in one answer of DescribeTopicPartitions; the rest comes with the next page. Kafka's number. */
#define PAGE_PARTITIONS 2000
/* Updates in one UpdateFeatures: each is compared with those before. */
#define FEATURE_UPDATES 32

#define FETCH_SESSION_PARTS_MAX 10000 /* partitions that one fetch session remembers */
#ifdef TINY
#define FETCH_SESSIONS_PARTS_MAX 10000
#else
#define FETCH_SESSIONS_PARTS_MAX 100000 /* and all those of a shard together: some 25 MB */
#endif
#define FETCH_PROBE_BYTES 65536       /* distance of the looks that tell whether a range of a file is in memory */

/* ---- groups of consumers */

#define GROUP_PROTOCOLS_MAX 64    /* that one member offers: assignors, of which clients have a handful */
#define GROUP_PROMISES_MAX 10000  /* ids given to members of one group that have not joined with them yet */
#define GROUP_NAME_BYTES 200       /* of a client's name, at the head of its member id */
/* Tombstones written at once when a group goes: with less than this, no batch is larger than a topic takes. */
#ifdef TINY
#define GROUP_TOMBSTONES 4
#else
#define GROUP_TOMBSTONES 1000
#endif
#define GROUP_NEW_MEMBER_MS 300000 /* a join phase as a new member bears it: nobody beats for it, as in Kafka */

/* ---- client */

/* Bytes that a reader inside the process takes at once: what it has copied is still in the second-level cache when it
 * is decoded. */
#ifdef TINY
#define READER_BYTES 1024
#else
#define READER_BYTES 262144
#endif
#define REMOTE_FRAME_MAX 268435456 /* an answer larger than this is no Kafka server's */

/* ---- engine */

/* Rows of a batch: its columns fit the second-level cache, and the cost of a call is spread over thousands of rows. */
#ifdef TINY
#define ENGINE_BATCH_ROWS 4
#define ENGINE_BATCH_ROWS_MIN 2
#else
#define ENGINE_BATCH_ROWS 4096
#define ENGINE_BATCH_ROWS_MIN 64 /* of a source whose rows cost microseconds: to begin a batch costs as many */
#endif
/* Groups that a partial aggregate holds before it hands them over: about what the second-level cache holds. */
#ifdef TINY
#define AGG_PARTIAL_GROUPS 6
#else
#define AGG_PARTIAL_GROUPS 16384
#endif

/* Plans are trees of tens of nodes; reading, checking and printing recurse once a level. */
#define PLAN_DEPTH 64
#define PLAN_NODES 1024

/* An INSERT of more text than this is read by a worker; of the rows, so many are handed to the log in one turn. */
#ifdef TINY
#define SERVE_LONG_BYTES 64
#define SERVE_INSERT_ROWS 2
#else
#define SERVE_LONG_BYTES 8192
#define SERVE_INSERT_ROWS 1000
#endif

/* Longest turn of a task, in microseconds: broker events get the loop between two turns. */
#define ENGINE_TURN_US 250
/* A job's share of a loop's time beside that of others (job.cpu.share): what it has if nobody says, and the greatest. With the
 * smallest it gets a tenth of a turn's time a round, which must be worth a turn. */
#define ENGINE_SHARE 10
#define ENGINE_SHARE_MAX 100
/* Time that a batch of a source shall take at most, so that costly expressions do not make turns long. */
#define ENGINE_BATCH_US (2 * ENGINE_TURN_US)
/* Bytes in flight of one exchange channel: some batches, so that neither side waits for the other's every turn. */
#ifdef TINY
#define ENGINE_CHANNEL_BYTES 512
#else
#define ENGINE_CHANNEL_BYTES 262144
#endif
/* It becomes state several times as large, which nothing can stop any more: so all channels of an exchange together get
 * such a part of the memory for state, but each as much as a few pieces of batches take. */
#define ENGINE_CHANNELS_PART 64
#define ENGINE_CHANNEL_MIN_BYTES 16384
/* Bytes a source hands to its decoder at once, in whole record batches: one turn's worth. */
#define ENGINE_DECODE_BYTES 262144
/* A stream's output is written before the epoch ends when a partition has collected this much; a task stops when it has
 * more than the second bound not yet durable. */
#ifdef TINY
#define ENGINE_FLUSH_BYTES 512
#define ENGINE_UNFLUSHED_BYTES 4096
#define ENGINE_DEAD_BYTES 65536 /* keys of state that a new version drops, held in memory by a task */
#else
#define ENGINE_FLUSH_BYTES 1048576 /* a sync takes as much processor time as copying a quarter of it */
#define ENGINE_UNFLUSHED_BYTES 8388608
#define ENGINE_DEAD_BYTES 67108864
#endif
/* All partitions of a task together: so that a stopped task always waits for bytes that are on their way. */
#define ENGINE_COLLECTED_BYTES (ENGINE_UNFLUSHED_BYTES / 2)
/* Rows of a query that wait for their commit, or for a slow client. */
#ifdef TINY
#define ENGINE_RESULT_BYTES 2048
#else
#define ENGINE_RESULT_BYTES 4194304
#endif
/* Parcels a task keeps for reuse. */
#define ENGINE_SPARE_PARCELS 16

/* ---- sql */

/* One statement; INSERT with many rows is the longest there is, and more is better produced as records. */
#define SQL_STATEMENT_BYTES 1048576
/* A name of a column, relation, function or setting. Kafka's topic names end at 249. */
#define SQL_NAME_BYTES 249
/* Depth of an expression. Trees are walked by recursion, and msgpack's depth bounds what a stored plan may nest. */
#define SQL_DEPTH 48
/* Queries inside queries, and beside one another (UNION): the same. */
#define SQL_NESTING 24
#define SQL_UNIONS 48
#define SQL_BLOCKS 200 /* all of a statement: WITH's are bound anew wherever they are read */
/* Columns of a relation, items of a list, relations of a join: plans are built and printed per column. */
#define SQL_COLUMNS 1000
#define SQL_SOURCES 16

#endif
