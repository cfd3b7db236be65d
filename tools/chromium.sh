#!/bin/sh
# Puts a browser on this machine for tests/browser: Debian's Chromium, because a browser comes as no package of PyPI.
set -eu
command -v chromium >/dev/null 2>&1 && exit 0
say() { printf '%s\n' "$*" >&2; }
say "Installing chromium (the browser that the pages are tested in) ..."
if [ "$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >&2
else say "Ask an administrator to run: apt-get install chromium"; exit 1; fi
