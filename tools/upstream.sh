#!/bin/sh
# Makes build/test-upstream once: llama.cpp's server with its Python front end, built from source, and a tiny model with random weights.
set -eu
cd "$(dirname "$0")/.."
version=0.3.36
at=build/test-upstream
stamp=$at/headgate-$version

if [ ! -f "$stamp" ]; then
  for tool in gcc g++ cmake; do
    command -v "$tool" >/dev/null 2>&1 || { echo "This builds llama.cpp: apt-get install build-essential cmake" >&2; exit 1; }
  done
  uv=$(command -v uv || echo build/uv/bin/uv)
  echo "Building llama-cpp-python $version into $at, once (some minutes) ..." >&2
  "$uv" venv --quiet --allow-existing --python .venv/bin/python "$at"
  CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF" \
    "$uv" pip install --quiet --python "$at/bin/python" "llama-cpp-python[server]==$version" "gguf>=0.17"
  touch "$stamp"
fi
[ -f "$at/tiny.gguf" ] || "$at/bin/python" tools/tiny_model.py "$at/tiny.gguf"
