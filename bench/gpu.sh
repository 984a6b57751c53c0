#!/bin/sh
# Training on this machine's GPU: the recorded step through WebGPU, compared with PyTorch on the
# same card. Takes at most ten minutes.
# Usage: bench/gpu.sh [--quick] [--software]
# NODE, PYTHON: Node 24 and python3, if the PATH does not have them.
# VULKAN_DEBS: a folder of .deb files with Vulkan's loader, if the system has none.
set -u
cd "$(dirname "$0")/.." || exit 1
node=${NODE:-node}
python=${PYTHON:-python3}
out=${OUT:-$(mktemp -d)}
started=$(date +%s)
passed() { echo "== $1 (after $(($(date +%s) - started)) s)"; }

if [ -n "${VULKAN_DEBS:-}" ]; then
  vulkan=$(mktemp -d)
  for package in "$VULKAN_DEBS"/*.deb; do dpkg -x "$package" "$vulkan"; done
  LD_LIBRARY_PATH="$vulkan/usr/lib/x86_64-linux-gnu:${LD_LIBRARY_PATH:-}"
  export LD_LIBRARY_PATH
fi
for place in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
  if [ -d "$place" ]; then export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}:$place"; fi
done

passed 'adapters'
nvidia-smi -L 2>/dev/null
"$node" --version
# Where the driver's manifest names a library that does not load without a display, its EGL library
# does.
manifest() {
  echo "{\"file_format_version\":\"1.0.0\",\"ICD\":{\"library_path\":\"$1\",\"api_version\":\"1.3.0\"}}" >"$2"
}
manifest libEGL_nvidia.so.0 "$out/egl.json"
manifest libGLX_nvidia.so.0 "$out/glx.json"
for driver in "${VK_DRIVER_FILES:-}" /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json "$out/egl.json" "$out/glx.json"; do
  echo "driver manifest: ${driver:-as installed}"
  if [ -n "$driver" ]; then export VK_DRIVER_FILES="$driver"; fi
  if timeout 60 "$node" bench/gpu.ts --adapter "$@" 2>&1 | grep -v 'artificially' | head -3 | tee "$out/adapter" | grep '"adapter"'; then break; fi
  head -3 "$out/adapter"
done

passed 'Floe, WebGPU'
limit="timeout ${FLOE_LIMIT:-170}"
$limit "$node" bench/gpu.ts --profile ${GPU_TUNE---tune} "$@" >"$out/floe.jsonl" 2>"$out/floe.err"
floe=$?
echo "exit $floe"
grep -v 'artificially reduced' "$out/floe.err" | head -20
if [ "${GPU_CHECKED:-1}" = 1 ]; then
  passed 'Floe, WebGPU with the checks of the browser'
  timeout 60 "$node" bench/gpu.ts --unchanged "$@" >"$out/checked.jsonl" 2>"$out/checked.err"
  echo "exit $?"
fi

passed 'PyTorch'
set -- "$@"
case " $* " in *" --quick "*) quick=--quick ;; *) quick= ;; esac
timeout 100 "$python" bench/gpu.py $quick >"$out/torch.jsonl" 2>"$out/torch.err"
echo "exit $?"
head -5 "$out/torch.err"

passed 'results'
touch "$out/checked.jsonl"
"$python" bench/gpu-table.py "$out/floe.jsonl" "$out/checked.jsonl" "$out/torch.jsonl"
passed 'end'
exit "$floe"
