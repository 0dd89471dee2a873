#!/bin/sh
# Prints the path of a Python that can run Countersign, or says what to do. It is a shell script because it must
# also run where the only Python is too old to read today's syntax, or where there is none.
#
# Usage: find-python.sh                looks for python3, python3.14 ... python3.11 and python on PATH
#        PYTHON=/path find-python.sh   takes that one or none

# The embedded servers come as ready-made wheels for up to 3.14; a newer Python is taken if there is no other.
probe='
import sys
version = ".".join(map(str, sys.version_info[:3]))
try:
    import ensurepip, venv
    state = "good" if sys.version_info < (3, 15) else "newer"
except ImportError:
    state = "bare"
if sys.version_info < (3, 11):
    state = "old"
print(state + " " + version)
'

if [ -n "$PYTHON" ]; then
    set -- "$PYTHON"
else
    set -- python3 python3.14 python3.13 python3.12 python3.11 python
fi

old=
bare=
newer=
for name in "$@"; do
    path=$(command -v "$name" 2>/dev/null) || continue
    said=$("$path" -c "$probe" 2>/dev/null) || continue
    case $said in
    good*)
        echo "$path"
        exit 0
        ;;
    newer*) newer=${newer:-$path} ;;
    bare*) bare=${bare:-"${said#* } at $path"} ;;
    old*) old=${old:-"${said#* } ($path)"} ;;
    esac
done

if [ -n "$newer" ]; then
    echo "$newer"
    exit 0
fi

if [ -n "$bare" ]; then
    cat >&2 <<END
Python $bare lacks its module venv, which the installation needs.
  Debian, Ubuntu:         sudo apt install python3-venv
  or name another Python: make run PYTHON=/path/to/python3.12
END
    exit 1
fi

if [ -z "$old" ] && [ -n "$PYTHON" ]; then
    old="nothing that runs at PYTHON=$PYTHON"
fi
cat >&2 <<END
Python 3.11 or newer is needed; found ${old:-none}.
  Debian 12, Ubuntu 24.04 or newer:  sudo apt install python3 python3-venv
  Fedora:                            sudo dnf install python3
  macOS:                             brew install python@3.13
  or name the one you have:          make run PYTHON=/path/to/python3.12
END
exit 1
