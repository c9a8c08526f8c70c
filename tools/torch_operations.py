# SPDX-License-Identifier: Apache-2.0
"""Write the list of torch operations that only compute, out of the registry of an installed torch.

Run it in an environment with torch, its output into ``modelfiles/archives/torch_operations.txt``, and read the
difference. What the registry has and this leaves out reaches files, other machines, Python or raw memory.
"""

from __future__ import annotations

import re
import sys

# Communication between machines, compilers' own, profiling, tests; sparse and quantized kernels only compute.
NAMESPACES = """
    aten _quantized mkl mkldnn mkldnn_prepacked onednn onnx prim prims quantization quantized rngprims sparse
"""
LEFT_OUT = {
    "aten::from_file": "maps a file, which it can also create and write",
    "aten::save": "writes a file",
    "aten::record_stream": "reaches into the allocator",
    "aten::_test_warn_in_autograd": "a test",
    "mkldnn::data_ptr": "an address",
    "prim::PythonOp": "calls Python",
    "prim::IgnoredPythonOp": "calls Python",
    "prim::rpc_async": "calls other machines",
    "prim::rpc_remote": "calls other machines",
    "prim::rpc_sync": "calls other machines",
    "prims::_sink_tokens": "orders effects",
    "prims::_make_token": "orders effects",
    "prim::profile": "calls what it is given",
    "prim::profile_ivalue": "calls what it is given",
}
TORCHVISION = ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
# Known by reading their source; torch itself does not have them.
FURTHER = [
    *(f"torchvision::{name}" for name in TORCHVISION),
    *(f"prepacked::{kind}_clamp_{step}" for kind in ("conv2d", "linear") for step in ("prepack", "run")),
    *(f"prepacked::conv2d_transpose_clamp_{step}" for step in ("prepack", "run")),
]


def main() -> None:
    """Print the names, sorted."""
    import torch

    names = {schema.name for schema in torch._C._jit_get_all_schemas()}
    kept = {name for name in names if name.split("::")[0] in NAMESPACES.split() and name not in LEFT_OUT}
    strange = [name for name in kept if not re.fullmatch(r"\w+::\w+", name)]
    if strange:
        sys.exit(f"names of no known form: {strange}")
    print("# Operations of torch that only compute. Written by tools/torch_operations.py.")
    print("\n".join(sorted({*kept, *FURTHER})))


if __name__ == "__main__":
    main()
