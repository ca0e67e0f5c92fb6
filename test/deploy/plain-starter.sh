#!/bin/sh
# The plainest way to start and stop an instance, in the place of systemd or pm2: plain-starter.sh start a00 FOLDER. The
# process outlives this script. FOLDER/a00.run sets what to run (command), where (directory), how to end it (signal) and
# how long that may take (seconds); a pid file and a log are written beside it.
set -e
name=$2
folder=$3
. "$folder/$name.run"

lives() {
    # Whoever adopted it may take a while to notice that it has ended.
    [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"
}

case $1 in
start)
    cd "$directory"
    eval "exec setsid $command" >>"$folder/$name.log" 2>&1 </dev/null &
    echo $! >"$folder/$name.pid"
    ;;
stop)
    [ -f "$folder/$name.pid" ] || exit 0
    pid=$(cat "$folder/$name.pid")
    kill -s "$signal" "$pid" || true
    deadline=$(($(date +%s) + seconds))
    while lives "$pid"; do
        [ "$(date +%s)" -le "$deadline" ] || {
            kill -s KILL "$pid"
            echo "killed after $seconds s"
            exit 1
        }
        sleep 0.05
    done
    rm "$folder/$name.pid"
    ;;
esac
