# SPDX-License-Identifier: Apache-2.0
"""Derives the part of the allowlists that can be derived: the classes of which loading one only sets its state.

    python tools/allowlist.py --write PATH ...   # wheels or site-packages folders, of as many versions as there are
    python tools/allowlist.py --check            # against what is installed here

It reads the libraries' source text and imports none of them. A class is listed if it descends from one of the
library's own kinds of estimators or parts (``FAMILIES``) and neither it nor any class that it descends from defines
one of the methods that an unpickler sets off (``SET_OFF``), or if that method was read by a person (``READ``).
Functions are listed by name only (``FUNCTIONS``), after they were read. Everything else in ``allowed/*.tsv`` was
written by hand, and this tool leaves it as it is: it only rewrites the lines that end in the versions it saw.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ALLOWED = Path(__file__).parents[1] / "components" / "wardein" / "modelfiles" / "allowed"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What runs when an object is made without its constructor, is given its state, is filled, is a key, or goes.
SET_OFF = _words(
    "__new__ __setstate__ __setattr__ __getattr__ __getattribute__ __del__ __init_subclass__ __hash__ __eq__ "
    "__setitem__ append extend add update __reduce__ __reduce_ex__ __iter__ __len__"
)


@dataclass(frozen=True)
class Family:
    """Which classes of a library are looked at.

    Attributes:
        name: The list they go to.
        distribution: What the library is called where it is installed from.
        package: What it is called where it is imported.
        roots: The classes that they descend from, or are.
        within: The beginnings of the modules that they are in; nothing of the library's other modules is listed.
        reason: Why one of them is harmless.
    """

    name: str
    distribution: str
    package: str
    roots: frozenset[str]
    within: tuple[str, ...]
    reason: str


def _rooms(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names.split())


FAMILIES = (
    Family(
        "sklearn",
        "scikit-learn",
        "sklearn",
        _words(
            "sklearn.base.BaseEstimator sklearn.gaussian_process.kernels.Kernel "
            "sklearn.model_selection._split.BaseCrossValidator sklearn.model_selection._split.BaseShuffleSplit "
            "sklearn.model_selection._split._RepeatedSplits sklearn.model_selection._split._UnsupportedGroupCVMixin "
            "sklearn.calibration._CalibratedClassifier sklearn.calibration._SigmoidCalibration "
            "sklearn.cluster._birch._CFNode sklearn.cluster._birch._CFSubcluster "
            "sklearn.cluster.birch._CFNode sklearn.cluster.birch._CFSubcluster "
            "sklearn.cluster._bisect_k_means._BisectingTree sklearn.ensemble._gb_losses.LossFunction "
            "sklearn.ensemble._hist_gradient_boosting.loss.BaseLoss "
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor "
            "sklearn.ensemble.gradient_boosting.LossFunction sklearn.ensemble.gradient_boosting.QuantileEstimator "
            "sklearn.ensemble.gradient_boosting.MeanEstimator sklearn.ensemble.gradient_boosting.LogOddsEstimator "
            "sklearn.ensemble.gradient_boosting.ScaledLogOddsEstimator "
            "sklearn.ensemble.gradient_boosting.PriorProbabilityEstimator "
            "sklearn.ensemble.gradient_boosting.ZeroEstimator "
            "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace "
            "sklearn._loss.loss.BaseLoss sklearn._loss.glm_distribution.ExponentialDispersionModel "
            "sklearn.metrics._scorer._BaseScorer sklearn.metrics.scorer._BaseScorer "
            "sklearn.metrics._scorer._MultimetricScorer sklearn.neural_network._stochastic_optimizers.BaseOptimizer "
            "sklearn.linear_model._glm.link.BaseLink sklearn.compose._column_transformer.make_column_selector"
        ),
        _rooms(
            "sklearn",
            "_loss base calibration cluster compose covariance cross_decomposition decomposition discriminant_analysis "
            "dummy ensemble feature_extraction feature_selection frozen gaussian_process impute isotonic "
            "kernel_approximation kernel_ridge linear_model manifold metrics mixture model_selection multiclass "
            "multioutput naive_bayes neighbors neural_network pipeline preprocessing random_projection "
            "semi_supervised svm tree",
        ),
        "estimator or part of one: loading sets its state and runs nothing else",
    ),
    Family(
        "imblearn",
        "imbalanced-learn",
        "imblearn",
        _words("sklearn.base.BaseEstimator"),
        _rooms("imblearn", "base combine ensemble over_sampling pipeline under_sampling"),
        "sampler or estimator: loading sets its state and runs nothing else",
    ),
    Family(
        "xgboost",
        "xgboost",
        "xgboost",
        _words("xgboost.sklearn.XGBModel"),
        ("xgboost.sklearn",),
        "estimator: loading sets its state, its booster is a part of its own",
    ),
    Family(
        "lightgbm",
        "lightgbm",
        "lightgbm",
        _words("lightgbm.sklearn.LGBMModel"),
        ("lightgbm.sklearn",),
        "estimator: loading sets its state, its booster is a part of its own",
    ),
    Family(
        "statsmodels",
        "statsmodels",
        "statsmodels",
        _words(
            "statsmodels.base.model.Model statsmodels.base.model.Results statsmodels.base.wrapper.ResultsWrapper "
            "statsmodels.base.data.ModelData statsmodels.genmod.families.family.Family "
            "statsmodels.genmod.families.links.Link statsmodels.genmod.families.varfuncs.VarianceFunction "
            "statsmodels.genmod.families.varfuncs.Power statsmodels.genmod.families.varfuncs.Binomial "
            "statsmodels.genmod.families.varfuncs.NegativeBinomial statsmodels.robust.norms.RobustNorm "
            "statsmodels.robust.scale.HuberScale statsmodels.tools.tools.Bunch"
        ),
        _rooms("statsmodels", "base discrete genmod regression robust tools"),
        "model, results or part of them: its state is set; what it would evaluate is judged with its state",
    ),
    Family(
        "torch",
        "torch",
        "torch",
        _words(
            "torch.nn.modules.module.Module torch.optim.optimizer.Optimizer torch.optim.lr_scheduler.LRScheduler "
            "torch.optim.lr_scheduler._LRScheduler torch.optim.lr_scheduler.ReduceLROnPlateau"
        ),
        ("torch.nn.modules", "torch.nn.parallel.data_parallel", "torch.optim"),
        "module, optimizer or schedule: loading sets its state and runs nothing else",
    ),
    Family(
        "torch",
        "torchvision",
        "torchvision",
        _words("torch.nn.modules.module.Module"),
        ("torchvision.models", "torchvision.ops.misc", "torchvision.ops.stochastic_depth"),
        "module: loading sets its state and runs nothing else",
    ),
)

# Methods that an unpickler sets off and that were read: method, and what it does. Told in the reason of every class.
READ: Mapping[str, str] = {
    method: effect
    for effect, methods in {
        "compares versions, warns, sets the fields": "sklearn.base.BaseEstimator.__setstate__",
        "sets the fields and rebuilds an interpolation": "sklearn.isotonic.IsotonicRegression.__setstate__",
        "sets the fields and casts one array": (
            "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor.__setstate__"
        ),
        "an item or the number of its parts": (
            "sklearn.ensemble._base.BaseEnsemble.__iter__ sklearn.ensemble._base.BaseEnsemble.__len__ "
            "sklearn.ensemble.base.BaseEnsemble.__iter__ sklearn.ensemble.base.BaseEnsemble.__len__ "
            "sklearn.pipeline.Pipeline.__len__ torch.nn.modules.container.ModuleDict.__iter__ "
            "torch.nn.modules.container.ModuleDict.__len__ torch.nn.modules.container.ModuleList.__iter__ "
            "torch.nn.modules.container.ModuleList.__len__ torch.nn.modules.container.ParameterDict.__iter__ "
            "torch.nn.modules.container.ParameterDict.__len__ torch.nn.modules.container.ParameterList.__iter__ "
            "torch.nn.modules.container.ParameterList.__len__ torch.nn.modules.container.Sequential.__iter__ "
            "torch.nn.modules.container.Sequential.__len__"
        ),
        "adds up arrays": ("sklearn.cluster._birch._CFSubcluster.update sklearn.cluster.birch._CFSubcluster.update"),
        "compares parameters": (
            "sklearn.gaussian_process.kernels.CompoundKernel.__eq__ "
            "sklearn.gaussian_process.kernels.Exponentiation.__eq__ sklearn.gaussian_process.kernels.Kernel.__eq__ "
            "sklearn.gaussian_process.kernels.KernelOperator.__eq__"
        ),
        "hands on to the estimator in it": "sklearn.frozen._frozen.FrozenEstimator.__getattr__",
        "runs where a class is made, which no pickle of an allowed class does": (
            "sklearn.utils._metadata_requests._MetadataRequester.__init_subclass__ "
            "sklearn.utils._set_output._SetOutputMixin.__init_subclass__"
        ),
        "sets the fields and those that older versions lacked": " ".join(
            f"torch.{name}.__setstate__"
            for name in _words(
                "nn.modules.activation.LogSoftmax nn.modules.activation.MultiheadAttention "
                "nn.modules.activation.Softmax nn.modules.activation.Softmin nn.modules.conv._ConvNd "
                "nn.modules.module.Module nn.modules.pooling.AvgPool3d nn.modules.rnn.RNNBase "
                "nn.modules.transformer.TransformerDecoderLayer nn.modules.transformer.TransformerEncoderLayer "
                "nn.modules.upsampling.Upsample optim._adafactor.Adafactor optim.adadelta.Adadelta "
                "optim.adagrad.Adagrad optim.adam.Adam optim.adamax.Adamax optim.adamw.AdamW optim.asgd.ASGD "
                "optim.nadam.NAdam optim.optimizer.Optimizer optim.radam.RAdam optim.rmsprop.RMSprop "
                "optim.rprop.Rprop optim.sgd.SGD"
            )
        ),
        "registers parameters and modules": (
            "torch.nn.modules.module.Module.__setattr__ torch.nn.modules.rnn.RNNBase.__setattr__ "
            "torch.nn.modules.container.ModuleDict.__setitem__ torch.nn.modules.container.ModuleDict.update "
            "torch.nn.modules.container.ModuleList.__setitem__ torch.nn.modules.container.ModuleList.append "
            "torch.nn.modules.container.ModuleList.extend torch.nn.modules.container.ParameterDict.__setitem__ "
            "torch.nn.modules.container.ParameterDict.update torch.nn.modules.container.ParameterList.__setitem__ "
            "torch.nn.modules.container.ParameterList.append torch.nn.modules.container.ParameterList.extend "
            "torch.nn.modules.container.Sequential.__setitem__ torch.nn.modules.container.Sequential.append "
            "torch.nn.modules.container.Sequential.extend"
        ),
        "sets the fields, and evaluates a formula that is judged with the state": (
            "statsmodels.base.data.ModelData.__setstate__"
        ),
        "hands on to the results in it": (
            "statsmodels.base.wrapper.ResultsWrapper.__getattribute__ "
            "statsmodels.base.wrapper.ResultsWrapper.__setstate__"
        ),
        "sets the fields and which of its functions it uses": (
            "statsmodels.discrete.discrete_model.NegativeBinomial.__setstate__"
        ),
        "looks a name up in three mappings": "torch.nn.modules.module.Module.__getattr__",
        "wraps the bytes of a booster (XGBoost before 1.1)": "xgboost.sklearn.XGBModel.__setstate__",
    }.items()
    for method in methods.split()
}

# Functions that stand as values in honest models, read one by one: they compute on arrays and call nothing given.
_SCORES = (
    "accuracy_score average_precision_score balanced_accuracy_score brier_score_loss cohen_kappa_score dcg_score "
    "d2_absolute_error_score d2_pinball_score d2_tweedie_score explained_variance_score f1_score fbeta_score "
    "hamming_loss hinge_loss jaccard_score log_loss matthews_corrcoef max_error mean_absolute_error "
    "mean_absolute_percentage_error mean_gamma_deviance mean_pinball_loss mean_poisson_deviance mean_squared_error "
    "mean_squared_log_error mean_tweedie_deviance median_absolute_error ndcg_score precision_score r2_score "
    "recall_score roc_auc_score root_mean_squared_error root_mean_squared_log_error top_k_accuracy_score "
    "zero_one_loss adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score "
    "homogeneity_score mutual_info_score normalized_mutual_info_score rand_score "
    "positive_likelihood_ratio v_measure_score"
)
_KERNELS = (
    "additive_chi2_kernel chi2_kernel cosine_distances cosine_similarity euclidean_distances haversine_distances "
    "laplacian_kernel linear_kernel manhattan_distances nan_euclidean_distances polynomial_kernel rbf_kernel "
    "sigmoid_kernel"
)
FUNCTIONS: Mapping[str, tuple[tuple[str, frozenset[str], str], ...]] = {
    "sklearn": (
        ("sklearn.metrics", _words(_SCORES), "a score: computes on arrays and calls nothing that it is given"),
        ("sklearn.metrics", _words(_KERNELS), "a kernel: computes on arrays and calls nothing that it is given"),
        (
            "sklearn.feature_selection",
            _words("f_classif f_regression f_oneway r_regression chi2 mutual_info_classif mutual_info_regression"),
            "a score of features: computes on arrays and calls nothing that it is given",
        ),
        (
            "sklearn.feature_extraction.text",
            _words("strip_accents_unicode strip_accents_ascii strip_tags"),
            "works on one text",
        ),
        ("sklearn.utils.validation", _words("check_array"), "makes an array of what it is given, and looks at it"),
        (
            "sklearn.cluster",
            _words("_kmeans_single_lloyd _kmeans_single_elkan"),
            "computes on arrays and calls nothing that it is given",
        ),
        ("sklearn.preprocessing", _words("_identity"), "gives back what it is given"),
        (
            "sklearn.decomposition",
            _words("_logcosh _exp _cube"),
            "arithmetic on arrays, whatever it is given",
        ),
    )
}
# Bases that set nothing off, from outside of the libraries that are read.
_PLAIN_BASES = _words("object dict ABC Generic Protocol")
_ASIDE = re.compile(r"(^|[./])(tests?|testing|externals|conftest|_mocking|experimental|benchmarks?)([./]|$)")


@dataclass
class Class:
    """A class as its source has it.

    Attributes:
        name: ``module.qualname``.
        bases: The full names of what it descends from; empty strings for what could not be told.
        methods: What it defines.
    """

    name: str
    bases: list[str] = field(default_factory=list)
    methods: frozenset[str] = frozenset()


@dataclass
class Library:
    """One version of a library: its classes, its functions, and what its modules call others by."""

    version: str
    classes: dict[str, Class] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    stars: dict[str, list[str]] = field(default_factory=dict)

    def resolved(self, name: str) -> str:
        """Where a name that modules hand on was defined."""
        for _ in range(10):
            if name in self.classes:
                break
            module, _, last = name.rpartition(".")
            if name in self.names:
                name = self.names[name]
            elif self.names.get(module, module) != module:  # ``nn.Module``, where ``nn`` is a module by another name
                name = f"{self.names[module]}.{last}"
            else:
                every = (f"{star}.{last}" for star in self.stars.get(module, ()))
                name = next((one for one in every if one in self.classes or one in self.names), name)
        return name


def sources(path: Path, package: str, distribution: str) -> tuple[str, Iterator[tuple[str, str]]] | None:
    """The version of a library in a wheel or a site-packages folder, and the modules of it; None if it is not there."""
    wanted = re.sub(r"[-_.]+", "_", distribution).lower()
    if path.suffix == ".whl":
        name, version = path.name.split("-")[:2]
        if re.sub(r"[-_.]+", "_", name).lower() not in (wanted, f"{wanted}_cpu"):
            return None
        return version, _in_wheel(path, package)
    for info in path.glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        if re.sub(r"[-_.]+", "_", name).lower() in (wanted, f"{wanted}_cpu"):
            return version.partition("+")[0], _in_folder(path, package)
    return None


def _in_wheel(path: Path, package: str) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if name.startswith(f"{package}/") and name.endswith(".py") and not _ASIDE.search(name):
                yield name, wheel.read(name).decode("utf-8-sig", "replace")


def _in_folder(path: Path, package: str) -> Iterator[tuple[str, str]]:
    for file in sorted((path / package).rglob("*.py")):
        name = file.relative_to(path).as_posix()
        if not _ASIDE.search(name):
            yield name, file.read_text(encoding="utf-8-sig", errors="replace")


def read_library(version: str, modules: Iterable[tuple[str, str]]) -> Library:
    """Read the classes, functions and imports of a library's modules."""
    library = Library(version)
    for file, text in modules:
        parts = file.removesuffix(".py").split("/")
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            print(f"cannot be read: {file} of {version}: {error}", file=sys.stderr)
            continue
        home = module if is_package else module.rpartition(".")[0]
        _read_module(library, module, home, tree)
    return library


def _read_module(library: Library, module: str, home: str, tree: ast.Module) -> None:
    for node in _top_level(tree.body):
        match node:
            case ast.ImportFrom():
                _read_import(library, module, home, node)
            case ast.Import():
                for alias in node.names:
                    library.names[f"{module}.{alias.asname or alias.name}"] = alias.name
            case ast.Assign(targets=[ast.Name(id=alias)], value=ast.Name(id=meant)):
                library.names.setdefault(f"{module}.{alias}", f"{module}.{meant}")
            case ast.FunctionDef():
                library.functions.add(f"{module}.{node.name}")
            case ast.ClassDef():
                name = f"{module}.{node.name}"
                bases = [f"{module}.{base}" if base else "" for base in _bases(node)]
                library.classes[name] = Class(name, bases, frozenset(_methods(node)))


def _read_import(library: Library, module: str, home: str, node: ast.ImportFrom) -> None:
    origin = node.module or ""
    if node.level:
        parts = home.split(".")
        origin = ".".join([*parts[: len(parts) - node.level + 1], *([origin] if origin else [])])
    for alias in node.names:
        if alias.name == "*":
            library.stars.setdefault(module, []).append(origin)
        # The first one counts: the others are for other versions of what is imported.
        library.names.setdefault(f"{module}.{alias.asname or alias.name}", f"{origin}.{alias.name}")


def _methods(node: ast.ClassDef) -> Iterator[str]:
    """What a class defines, whether as a function or by giving a name to one."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            yield part.name
        elif isinstance(part, ast.Assign):
            yield from (target.id for target in part.targets if isinstance(target, ast.Name))


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _top_level(node.body)
            yield from _top_level(node.orelse)
            if isinstance(node, ast.Try):
                for handler in node.handlers:
                    yield from _top_level(handler.body)
        else:
            yield node


def _bases(node: ast.ClassDef) -> Iterator[str]:
    """The names a class descends from, as its module calls them; ``with_metaclass(Meta, Base)`` is Base."""
    for base in node.bases:
        if isinstance(base, ast.Call) and ast.unparse(base.func).endswith("with_metaclass"):
            yield from (ast.unparse(argument) for argument in base.args[1:])
        elif isinstance(base, ast.Subscript):
            yield ast.unparse(base.value)
        elif isinstance(base, ast.Name | ast.Attribute):
            yield ast.unparse(base)
        else:
            yield ""


def lineage(library: Library, beside: list[Library], name: str) -> Iterator[Class | str]:
    """A class and all it descends from; a base that is not in what was read is given as its name."""
    seen, waiting = set(), [name]
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        found = _found(library, beside, wanted)
        yield found if found else library.resolved(wanted)
        if found:
            waiting += found.bases


def _found(library: Library, beside: list[Library], name: str) -> Class | None:
    name = library.resolved(name)
    for one in (library, *beside):
        name = one.resolved(name)
        if name in one.classes:
            return one.classes[name]
    return None


def derived(family: Family, library: Library, beside: list[Library]) -> Iterator[tuple[str, list[str]]]:
    """The classes of a family, each with the methods that an unpickler would set off and that nobody has read."""
    for name in sorted(library.classes):
        if not name.startswith(tuple(f"{within}." for within in family.within)):
            continue
        ancestors = list(lineage(library, beside, name))
        known = [one for one in ancestors if isinstance(one, Class)]
        if not family.roots & {one.name for one in known}:
            continue
        unread = [f"{one.name}.{method}" for one in known for method in sorted(one.methods & SET_OFF)]
        unread = [method for method in unread if method not in READ]
        unread += [f"what {base} is" for base in ancestors if isinstance(base, str) and not _plain(base)]
        yield name, unread


def _plain(base: str) -> bool:
    return base.rpartition(".")[2] in _PLAIN_BASES


def functions(family: Family, library: Library) -> Iterator[tuple[str, str]]:
    """The functions that were read, under the modules where this version defines them, each with what it does."""
    for within, names, reason in FUNCTIONS.get(family.package, ()):
        for full in sorted(library.functions):
            module, _, name = full.rpartition(".")
            if name in names and f"{module}.".startswith(f"{within}."):
                yield full, reason


@dataclass
class Entry:
    """A line to be: what may be done with it, why, and in which versions it was seen."""

    uses: str
    reason: str
    distribution: str
    versions: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        """The line, the versions last."""
        first, last = min(self.versions, key=version_of), max(self.versions, key=version_of)
        seen = first if first == last else f"{first} to {last}"
        return f"{name}\t{self.uses}\t{self.reason} ({self.distribution} {seen})"


SEEN = re.compile(r" \(([a-z-]+) (\d[\w.]*)(?: to (\d[\w.]*))?\)$")


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version, to compare by."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def collected(paths: list[Path]) -> tuple[dict[str, dict[str, Entry]], list[str]]:
    """What can be derived from the libraries at some paths, by list and name, and what could not and why."""
    entries: dict[str, dict[str, Entry]] = {}
    refused: dict[str, str] = {}
    bases = [one for path in paths for one in _bases_of_others(path)][:2]
    for path in paths:
        for family in FAMILIES:
            found = sources(path, family.package, family.distribution)
            if found is None:
                continue
            library = read_library(*found)
            listed = entries.setdefault(family.name, {})

            def see(name: str, uses: str, reason: str, listed=listed, family=family, library=library) -> None:  # type: ignore[no-untyped-def]
                listed.setdefault(name, Entry(uses, reason, family.distribution)).versions.append(library.version)

            for name, unread in derived(family, library, bases):
                if unread:
                    refused[name] = f"{family.distribution} {library.version}: nobody has read {', '.join(unread)}"
                else:
                    see(name, "new", family.reason)
            for name, reason in functions(family, library):
                see(name, "refer", reason)
    return entries, [f"{name}: {why}" for name, why in sorted(refused.items())]


def _bases_of_others(path: Path) -> Iterator[Library]:
    """The libraries that others derive their classes from."""
    for package, distribution in (("sklearn", "scikit-learn"), ("torch", "torch")):
        if path.suffix != ".whl" and (found := sources(path, package, distribution)):
            yield read_library(*found)


def lines_of(name: str) -> dict[str, str]:
    """The lines of a list, by the global that each is about."""
    path = ALLOWED / f"{name}.tsv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line.partition("\t")[0]: line for line in lines}


def write(paths: list[Path]) -> None:
    """Write the lines that can be derived anew; what was written by hand stays."""
    entries, refused = collected(paths)
    for name, derivable in entries.items():
        by_hand = {key: line for key, line in lines_of(name).items() if not SEEN.search(line)}
        lines = {key: entry.line(key) for key, entry in derivable.items()} | by_hand
        text = "".join(f"{lines[key]}\n" for key in sorted(lines))
        (ALLOWED / f"{name}.tsv").write_text(text, encoding="utf-8")
    for reason in refused:
        print(f"not listed: {reason}", file=sys.stderr)


def missing(site: Path) -> list[str]:
    """What could be derived from the libraries that are installed, and is not listed."""
    entries, _ = collected([site])
    return [name for family, found in entries.items() for name in sorted(found.keys() - lines_of(family).keys())]


def main() -> int:
    """Write the lists, or check them against what is installed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--write", nargs="+", type=Path, metavar="PATH", help="wheels and site-packages folders to read"
    )
    parser.add_argument(
        "--check", action="store_true", help="fail if something installed here could be listed and is not"
    )
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write)
    lacking = missing(Path(sysconfig.get_path("purelib"))) if arguments.check else []
    for name in lacking:
        print(f"not listed: {name}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
