#!/bin/sh
# Starts runc for dockerd. Some machines let nobody have every capability, root neither, and older versions of Docker ask for
# all of them for a privileged container, which runc refuses: those that this machine does not give are taken out first.
before=
for word; do
    case $before in
    --bundle | -b) file=$word/config.json ;;
    --process | -p) file=$word ;;
    esac
    before=$word
done
if [ -n "${file-}" ] && [ -f "$file" ]; then
    sed -i 'EDITS' "$file"
fi
exec RUNC "$@"
