# SPDX-License-Identifier: Apache-2.0
"""Write what the scanner knows of the messages, operations and objects of ONNX, TensorFlow and Keras.

    python tools/graph_schemas.py

Run it where tensorflow, onnx, onnxruntime and keras are installed; the files it writes are reviewed and committed. The
scanner itself needs none of these libraries, so that its verdict is the same wherever it runs.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FOLDER = Path(__file__).parents[1] / "components" / "wardein" / "modelfiles" / "graphs"
LICENSE = "# SPDX-License-Identifier: Apache-2.0\n# Written by tools/graph_schemas.py.\n"

ROOTS = {
    "onnx.onnx_ml_pb2": ["ModelProto", "TensorProto"],
    "onnx.onnx_data_pb2": ["SequenceProto", "OptionalProto", "MapProto"],
    "tensorflow.core.protobuf.saved_model_pb2": ["SavedModel"],
    "tensorflow.core.protobuf.fingerprint_pb2": ["FingerprintDef"],
    "tensorflow.core.protobuf.tensor_bundle_pb2": ["BundleHeaderProto", "BundleEntryProto"],
    "tensorflow.core.protobuf.trackable_object_graph_pb2": ["TrackableObjectGraph"],
    "tensorflow.core.util.saved_tensor_slice_pb2": ["SavedTensorSlices"],
    "tensorflow.python.training.checkpoint_state_pb2": ["CheckpointState"],
}
# Of Keras 2, which is not installed beside Keras 3: keras_metadata.pb.
KERAS_METADATA = """\
message keras.SavedMetadata
1 r keras.SavedObject nodes
message keras.SavedObject
2 . int node_id
3 . text node_path
4 . text identifier
5 . text metadata
6 . tensorflow.VersionDef version
"""
# Of Keras 1 and 2, and gone from Keras 3.
# Classes that run what they are given, and functions that look others up by their names.
NOT_PURE_KERAS = {
    "Lambda",
    "TorchModuleWrapper",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
    "get",
    "serialize",
    "deserialize",
}
KERAS_ROOMS = (
    "layers activations initializers regularizers constraints losses metrics optimizers optimizers.schedules "
    "quantizers dtype_policies random models"
)
KERAS_OPERATIONS = "core image linalg math nn numpy einops function node operation"
LEGACY = """
CuDNNGRU CuDNNLSTM Merge ThresholdedReLU LocallyConnected1D LocallyConnected2D RandomHeight RandomWidth
SyncBatchNormalization LossScaleOptimizer Policy PolicyV1 MeanMetricWrapper MeanTensor SumOverBatchSize
SumOverBatchSizeMetricWrapper LossFunctionWrapper Highway MaxoutDense TimeDistributedDense AtrousConvolution1D
AtrousConvolution2D Deconvolution2D Deconvolution3D AbstractRNNCell PeepholeLSTMCell DenseFeatures
MultiplicativeNoise ClassMethod InstanceProperty InstanceMethod SlicingOpLambda Zeros Ones
Graph Functional Model Sequential KerasTensor TFOp TFOpLambda TensorFlowOpLayer LossScaleOptimizerV3 LayerScale
CustomScaleLayer
"""
# What TensorFlow's operations do beyond computing, by their names. The rest computes: on tensors, on variables, tables,
# queues, random states and data sets in memory, or calls functions of the same graph, which are examined themselves.
NOT_PURE = {
    "files": r".*(Files?|Checkpoints?)($|V?\d|Dataset|System|Reader).*|.*TextFile.*|ReadFile|"
    r"WriteFile|Save(V2|Slices|Dataset|DatasetV2)?|Restore.*|DTensorRestoreV2|DistributedSave|LoadDataset|LoadAndRemapMatrix|.*Snapshot.*|"
    r"(Experimental)?(CSV|Sql|LMDB|TFRecord|TextLine|FixedLength|DatasetToTFRecord|MatchingFiles).*|LMDBReader|"
    r"WholeFileReader.*|IdentityReader.*|Reader(Read|Restore|Num|Reset|Serialize).*|RecordInput|ImmutableConst|"
    r"GenerateVocabRemapping|FixedUnigramCandidateSampler|Skipgram|NegTrain|DecodeProtoV2|EncodeProto|DumpTensor|"
    r"CalibrationStatisticsSaver|CacheDataset.*|RegisterDataset.*|ListSnapshotChunksDataset|"
    r"StoreMinibatchStatisticsInFdo",
    "summaries, which are files": r".*SummaryWriter|CreateSummary.*|Write.*Summary|WriteSummary|ImportEvent|Stats.*|"
    r"(Experimental)?(Set)?StatsAggregator.*",
    "network": r"Rpc.*|DataService.*|RemoteCall|_?(Host)?(Send|Recv)|Collective.*|Nccl.*|_Nccl.*|Xla(Send|Recv|Host).*|"
    r"WorkerHeartbeat|.*(TPU|Tpu).*|DTensor.*|CopyToMesh.*|.*Outfeed.*|.*Infeed.*|Relayout.*",
    "prints, which may be told to go into files": r"Print(V2)?",
    "debuggers that write where they are told": r"Debug.*|Copy|CopyHost|CheckNumericsV2",
    "Python": r".*PyFunc.*|GeneratorDataset|.*Py$",
    "programs that are not examined": r"Xla(Launch|Call|Custom).*|_Xla.*|Mlir.*|_TPU.*|BatchFunction",
    "graphs that are data": r".*DatasetFromGraph|DatasetToGraph.*|.*Deserialize(Iterator)|SerializeIterator|"
    r"IteratorFromStringHandle.*|MultiDeviceIteratorFromStringHandle|ParseTensorVariant|WrapDatasetVariant|"
    r"UnwrapDatasetVariant",
    "stopping the process": r"Abort|Sleep.*|ExperimentalSleepDataset",
    "sessions": r".*Session(Handle|Tensor).*|FakeQueue|Dummy.*|Stub.*",
}


def schemas() -> str:
    """Every message that can occur in a file of one of the roots: its fields, their numbers and their kinds."""
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    kinds = {
        FieldDescriptor.TYPE_STRING: "text",
        FieldDescriptor.TYPE_BYTES: "bytes",
        FieldDescriptor.TYPE_FLOAT: "fix4",
        FieldDescriptor.TYPE_FIXED32: "fix4",
        FieldDescriptor.TYPE_SFIXED32: "fix4",
        FieldDescriptor.TYPE_DOUBLE: "fix8",
        FieldDescriptor.TYPE_FIXED64: "fix8",
        FieldDescriptor.TYPE_SFIXED64: "fix8",
    }
    messages: dict[str, str] = {}
    enums: dict[str, str] = {}

    def add(message: Descriptor) -> None:
        if message.full_name in messages:
            return
        messages[message.full_name] = ""
        lines = [f"message {message.full_name}"]
        for field in sorted(message.fields, key=lambda f: f.number):
            kind = kinds.get(field.type, "int")
            if field.message_type is not None:
                kind = field.message_type.full_name
                add(field.message_type)
            elif field.enum_type is not None:
                kind = f"enum:{field.enum_type.full_name}"
                values = " ".join(f"{value.name}={value.number}" for value in field.enum_type.values)
                enums[field.enum_type.full_name] = f"enum {field.enum_type.full_name} {values}"
            lines.append(f"{field.number} {'r' if field.is_repeated else '.'} {kind} {field.name}")
        messages[message.full_name] = "\n".join(lines)

    for module, names in ROOTS.items():
        for name in names:
            add(getattr(importlib.import_module(module), name).DESCRIPTOR)
    parts = [*(messages[name] for name in sorted(messages)), *(enums[name] for name in sorted(enums))]
    return LICENSE + "\n".join(parts) + "\n" + KERAS_METADATA


def tensorflow_operations() -> str:
    """The operations that only compute."""
    import tensorflow as tf
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    registered = op_def_pb2.OpList()
    registered.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    public = {name for name in dir(tf.raw_ops) if name[0].isupper()}
    names = [op.name for op in registered.op if op.name in public or re.match(r"_Fused|_Arg$|_Retval$", op.name)]
    reasons = {n: next((why for why, p in NOT_PURE.items() if re.fullmatch(p, n)), "") for n in names}
    return LICENSE + "".join(f"!{name} {why}\n" if why else f"{name}\n" for name, why in sorted(reasons.items()))


def onnx_operations() -> str:
    """The operations of every domain that a plain ONNX Runtime knows, less those that run something else."""
    import onnx
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

    names = {(s.domain, s.name) for s in onnx.defs.get_all_schemas_with_history()}
    names |= {(s.domain, s.name) for s in get_all_operator_schema()}
    # Operations of early versions that were experimental and have gone.
    names |= {
        ("", name)
        for name in [
            "ATen",
            "Affine",
            "ConstantFill",
            "Crop",
            "DynamicSlice",
            "GRUUnit",
            "GivenTensorFill",
            "ImageScaler",
            "ParametricSoftplus",
            "Scale",
        ]
    } - {("", "ATen")}
    # Python functions and kernels by name, libraries of a vendor, files beside the model, operators by name.
    runs = {"PythonOp", "PythonOpGrad", "TritonOp", "ATen", "ATenGrad", "EPContext", "Snpe", "ExternalOp", "PyOp"}
    return LICENSE + "".join(f"{domain}:{name}\n" for domain, name in sorted(names) if name not in runs)


def keras_objects() -> str:
    """The classes and functions that a Keras configuration may name: those of Keras itself that only compute."""
    import keras

    names = {f"legacy.{name}": "class" for name in LEGACY.split()}
    rooms = {f"keras.{room}": importlib.import_module(f"keras.{room}") for room in KERAS_ROOMS.split()}
    for room, module in rooms.items():
        for name, what in _public(module):
            names |= _keras_names(room, name, what)
    for name, what in _public(keras):
        if inspect.isclass(what):
            names |= _keras_names("keras", name, what)
    for room in (f"keras.src.ops.{room}" for room in KERAS_OPERATIONS.split()):
        for name, what in _public(importlib.import_module(room)):
            if inspect.isclass(what) and what.__module__ == room:
                names |= _keras_names(room, name, what)
    kept = {n: kind for n, kind in names.items() if n.rpartition(".")[2] not in NOT_PURE_KERAS}
    return LICENSE + "".join(f"{kind} {name}\n" for name, kind in sorted(kept.items()))


def _keras_names(module: str, name: str, what: object) -> dict[str, str]:
    """A class under its public name and its own; a function only where functions stand in configurations."""
    if inspect.isclass(what):
        return {f"{module}.{name}": "class", f"{what.__module__}.{what.__name__}": "class"}
    if inspect.isfunction(what) and module in ("keras.activations", "keras.losses", "keras.metrics"):
        return {f"{module}.{name}": "function", f"{what.__module__}.{what.__name__}": "function"}
    return {}


def tensorflow_functions() -> str:
    """The functions of TensorFlow that a TFOpLambda layer may call: those of its rooms that only compute."""
    import tensorflow as tf

    rooms = [
        "math",
        "nn",
        "linalg",
        "signal",
        "image",
        "bitwise",
        "random",
        "sparse",
        "ragged",
        "strings",
        "sets",
        "dtypes",
        "quantization",
    ]
    names = {f"__operators__.{name}" for name in ("add", "getitem", "eq", "ne", "ragged_getitem")}
    for room in rooms:
        names |= {
            f"{room}.{n}" for n, what in _public(getattr(tf, room)) if callable(what) and not inspect.isclass(what)
        }
        names |= {
            f"compat.v1.{room}.{n}" for n, w in _public(getattr(tf, room)) if callable(w) and not inspect.isclass(w)
        }
    pure = {n for n, what in _public(tf) if inspect.isfunction(what) or hasattr(what, "__wrapped__")}
    effects = [
        "py_function",
        "numpy_function",
        "load_library",
        "load_op_library",
        "print",
        "recompute_grad",
        "custom_gradient",
        "function",
        "init_scope",
        "executing_eagerly",
        "map_fn",
        "vectorized_map",
        "while_loop",
        "cond",
        "case",
        "switch_case",
        "foldl",
        "foldr",
        "scan",
        "device",
        "name_scope",
        "control_dependencies",
        "create_autodiff",
        "grad_pass_through",
        "py_func",
    ]
    names |= pure - set(effects)
    names |= {f"compat.v1.{name}" for name in pure - set(effects)}
    bad = re.compile(r".*(file|load|save|python|py_func|numpy_function|create_rng|decode_gif_file).*")
    return LICENSE + "".join(f"{name}\n" for name in sorted(names) if not bad.match(name))


def _public(module: object) -> Iterable[tuple[str, object]]:
    return [(name, getattr(module, name)) for name in dir(module) if not name.startswith("_")]


def main() -> None:
    """Write the files."""
    for name, make in (
        ("schemas", schemas),
        ("tensorflow_operations", tensorflow_operations),
        ("onnx_operations", onnx_operations),
        ("keras_objects", keras_objects),
        ("tensorflow_functions", tensorflow_functions),
    ):
        (FOLDER / f"{name}.txt").write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
