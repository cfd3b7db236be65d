#!/bin/sh
# Creates .venv from uv.lock, and nothing else. Works as root or not, on a machine that has only Python 3.11+ and make.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.headgate-lock

say() { printf '%s\n' "$*" >&2; }

if [ -f "$stamp" ] && cmp -s uv.lock "$stamp"; then exit 0; fi

python=
for candidate in python3.13 python3.12 python3.11 python3; do
  if command -v "$candidate" >/dev/null 2>&1 &&
     "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || { say "Headgate needs Python 3.11 or newer: apt-get install python3"; exit 1; }

# The lock file is read by uv. Use the one on the path, or put one in build/uv.
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    # Debian keeps ensurepip in a package of its own, so this one thing cannot come from PyPI.
    say "Installing python3-venv (Debian keeps Python's own pip in it) ..."
    if [ "$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv >&2
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv >&2
    else say "Ask an administrator to run: apt-get install python3-venv"; exit 1; fi
  fi
  [ -x build/uv/bin/uv ] || { "$python" -m venv build/uv && build/uv/bin/python -m pip install --quiet 'uv>=0.13,<0.14' >&2; }
  uv=build/uv/bin/uv
fi

say "Creating .venv from uv.lock ..."
UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 "$uv" sync --quiet --frozen --compile-bytecode --python "$python"
cp uv.lock "$stamp"
