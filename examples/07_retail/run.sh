#!/bin/bash
. "$(dirname "$0")/../common.sh"
python3 "$root/tests/client/real_data.py" 07_retail || [ $? = 77 ] # 77: the data is not there, as it has said
