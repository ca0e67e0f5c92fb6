#!/bin/sh
# The plainest way to start and stop an instance, in the place of systemd or pm2: plain-starter.sh start a00 FOLDER
# NODE. The process outlives this script; its settings, its pid and its log lie in FOLDER.
set -e
name=$2
folder=$3
node=$4

lives() {
    # Whoever adopted it may take a while to notice that it has ended.
    [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"
}

case $1 in
start)
    set -a
    . "$folder/$name.env"
    set +a
    cd "$folder/opt/current"
    setsid "$node" src/main.ts >>"$folder/$name.log" 2>&1 </dev/null &
    echo $! >"$folder/$name.pid"
    ;;
stop)
    [ -f "$folder/$name.pid" ] || exit 0
    pid=$(cat "$folder/$name.pid")
    kill -TERM "$pid" || true
    while lives "$pid"; do sleep 0.05; done
    rm "$folder/$name.pid"
    ;;
esac
