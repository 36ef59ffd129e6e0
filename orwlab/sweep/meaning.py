"""What a name means: fingerprints of networks, of other people's callables, and of the code that did the work.

A callable's fingerprint is that of its bytecode and of all that it refers to: defaults, free and global names, and the
weights of networks behind them. Bytecode, and not source, because the line in which a lambda stands holds other things
too, and because what is typed at a prompt has no source. Another version of Python may compile the same text to another
code: its functions then count as others.

A module of one's own that code reaches, by a name, an attribute or an import within a function, counts by what its file
holds, and the files that it imports (``modules``), beside what it is now that the code asks of it. What belongs to a
library is known by its name and the library's version.

An object is its class and what a copy of it would be made of, as ``pickle`` has it: its attributes, unless it has a
``__getstate__`` or ``__reduce__`` of its own. What cannot be said is refused. Not seen is what a callable reads when it
is called, such as a file, and what it finds by a name that it puts together. What is worked out and kept on the way
does not count: ``lru_cache``, ``cached_property``, and a global name that the code itself sets.
"""

import array
import contextlib
import copyreg
import dis
import enum
import functools
import hashlib
import io
import math
import random
import sys
import threading
import types
import warnings
import weakref
import zipfile
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orwlab import checks
from orwlab.sweep import modules, once

_PLAIN = (bool, int, str, float, complex, bytes, range, torch.dtype, torch.device, torch.layout, torch.memory_format)
_NAMED = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_EVERYBODY_S = (random.random.__self__, np.random.rand.__self__, torch.default_generator)  # type: ignore[attr-defined]
_CACHED = type(functools.lru_cache(math.sin))
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.local)
_MADE_ANEW = {"__newobj__", "__newobj_ex__", "_reconstructor", "__reduce_ex__"}
_CALLED = (FunctionType, staticmethod, classmethod, property)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_UNSEEN = {  # of a network: what says nothing of what it answers
    *("training", "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_is_full_backward_hook"),
    *(*_HOOKS, "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"),
    *("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
    "_compiled_call_impl",
}
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ASKS = {"LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM", "LOAD_SUPER_ATTR"}


def of(value: Any) -> str:
    """The fingerprint of a value of any kind: of its numbers, its code, and what it refers to.

    The same in every process, and whether or not it was called before.

    Raises:
        ValueError: something in it is of a kind of which nothing can be read; it is named.
    """
    return _Description().of(value)


@functools.cache
def of_code(*places: str) -> str:
    """The fingerprint of rooms and files of the package: what was done by other code is done again."""
    found = hashlib.sha256()
    for place in places:
        path = modules.PACKAGE / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


class _Unsaid(Exception):
    """Of something nothing can be read; ``trail`` is the way to it."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value, self.trail = value, list[str]()


class _Description:
    """A value as JSON can hold it, made while one goes through it once.

    Global names stand in ``_globals``, and are described there, once each, so that functions that name each other make
    no circles. Every other circle is cut where it closes, by how many steps back it leads.
    """

    def __init__(self) -> None:
        self._path: dict[int, int] = {}
        """those whose parts are being described -> how deep they lie"""
        self._back = math.inf
        """the least depth that a circle within what is being described has led back to"""
        self._known: dict[int, tuple[str, Any]] = {}
        """described, without a circle that leads out of it; and the thing itself, which keeps its id its own"""
        self._globals: dict[tuple[str, str], str] = {}
        self._waiting: list[tuple[tuple[str, str], Any]] = []
        self._spaces: dict[int, tuple[str, Any]] = {}
        self._kinds: list[tuple[Any, Callable[[Any], list[Any]]]] = [
            (Tensor, self._tensor),
            (np.generic, lambda v: [type(v).__name__, v.dtype.str, self._array(np.asarray(v))]),
            (np.memmap, lambda v: ["numpy.ndarray", self._array(v)]),
            (np.ndarray, lambda v: [self._said(type(v)), self._array(v), self._own(getattr(v, "__dict__", {}))]),
            (np.dtype, lambda v: ["dtype", repr(v)]),
            (np.ufunc, self._ufunc),
            (np.vectorize, lambda v: ["vectorize", *map(self._said, (v.pyfunc, v.otypes, v.signature, v.excluded))]),
            (torch.Generator, lambda v: ["generator", str(v.device), self._said(v.get_state())]),
            (torch.jit.ScriptModule | torch.jit.ScriptFunction, self._scripted),
            (nn.Module, self._network),
            (CodeType, self._code),
            (functools.partial, lambda v: ["partial", self._said(type(v)), *self._partial(v)]),
            (MethodType, lambda v: ["method", self._said(v.__self__), self._said(v.__func__)]),
            (FunctionType, self._function),
            (_CACHED, lambda v: ["cached", self._said(v.__wrapped__)]),
            (BuiltinFunctionType | types.MethodWrapperType, self._builtin),
            (_NAMED, lambda v: ["of a class", self._said(v.__objclass__), v.__name__]),
            (ModuleType, lambda v: self._module(v, set())),
            (types.GenericAlias, lambda v: ["alias", self._said(v.__origin__), self._said(v.__args__)]),
            (enum.Enum, lambda v: ["enum", self._said(type(v)), v.name, self._said(v.value)]),
            (type, self._class),
            (staticmethod | classmethod, lambda v: [type(v).__name__, self._said(v.__func__)]),
            (property, lambda v: ["property", *map(self._said, (v.fget, v.fset, v.fdel))]),
            (functools.cached_property, lambda v: ["cached property", self._said(v.func)]),
            (weakref.ref, lambda v: ["weakly", self._said(v())]),
            (
                weakref.WeakKeyDictionary | weakref.WeakValueDictionary,
                lambda v: ["weakly", sorted(map(self._said, v.items()))],
            ),
            (weakref.WeakSet, lambda v: ["weakly", sorted(map(self._said, v))]),
            (_LOCKS, lambda v: ["lock"]),
            (io.IOBase, lambda v: ["file", type(v).__name__, repr(getattr(v, "name", "")), getattr(v, "mode", "")]),
            (torch._ops.OpOverloadPacket | torch._ops.OpOverload, lambda v: ["operator", str(v)]),
            (ContextVar, lambda v: ["context", v.name, self._said(v.get(None))]),
            (types.GeneratorType, self._generator),
            (types.MappingProxyType, lambda v: ["mapping", self._pairs(v)]),
        ]
        self._exact: dict[type, Callable[[Any], list[Any]]] = {
            list: lambda v: ["list", self._all(v)],
            tuple: lambda v: ["tuple", self._all(v)],
            dict: lambda v: ["dict", self._pairs(v)],
            OrderedDict: lambda v: ["OrderedDict", self._pairs(v)],
            defaultdict: lambda v: ["defaultdict", self._said(v.default_factory), self._pairs(v)],
            deque: lambda v: ["deque", v.maxlen, self._all(v)],
            set: lambda v: ["set", sorted(map(self._said, v))],
            frozenset: lambda v: ["set", sorted(map(self._said, v))],
            slice: lambda v: ["slice", self._all((v.start, v.stop, v.step))],
            bytearray: lambda v: ["bytearray", v.hex()],
            memoryview: lambda v: ["memoryview", v.format, v.shape, v.tobytes().hex()],
            array.array: lambda v: ["array.array", v.typecode, v.tobytes().hex()],
            type(Ellipsis): lambda v: ["..."],
        }

    def of(self, value: Any) -> str:
        """The fingerprint; see the function of that name."""
        try:
            found = self._said(value)
            while self._waiting:
                key, one = self._waiting.pop(0)
                with _at(key[1]):
                    self._globals[key] = self._said(one)
        except _Unsaid as unsaid:
            kind = f"{type(unsaid.value).__module__}.{type(unsaid.value).__qualname__}"
            where = f" in {' > '.join(reversed(unsaid.trail))}" if unsaid.trail else ""
            raise ValueError(
                f"there is a {kind}{where}, of which nothing can be read that says what it computes; allowed: what is "
                "made when it is called, or a class with a __getstate__ that says what decides"
            ) from None
        except RecursionError:
            raise checks.fail("value", type(value).__name__, "one that does not lie so deep within itself") from None
        return once.digest([found, sorted([*key, said] for key, said in self._globals.items())])

    def _said(self, value: Any) -> str:
        """A fingerprint of ``value``, beside what is said of global names."""
        depth = len(self._path)
        if value is None or type(value) in _PLAIN:
            return once.digest([type(value).__name__, repr(value)])
        if any(value is one for one in _EVERYBODY_S):
            return once.digest(["everybody's generator", type(value).__name__])
        if id(value) in self._path:
            self._back = min(self._back, self._path[id(value)])
            return once.digest(["again", depth - self._path[id(value)]])
        if id(value) in self._known:
            return self._known[id(value)][0]
        before, self._back = self._back, math.inf
        self._path[id(value)] = depth
        try:
            found = once.digest(self._parts(value))
        finally:
            del self._path[id(value)]
        if self._back >= depth:
            self._known[id(value)] = found, value
            self._back = before
        else:
            self._back = min(before, self._back)
        return found

    def _parts(self, value: Any) -> list[Any]:
        """What ``value`` is, in words and fingerprints."""
        if type(value) in self._exact:
            return self._exact[type(value)](value)
        for kind, said in self._kinds:
            if isinstance(value, kind):
                return said(value)
        return self._object(value)

    # Many parts -----------------------------------------------------------------------------------------------------

    def _all(self, values: Iterable[Any]) -> list[str]:
        found = []
        for k, value in enumerate(values):
            with _at(f"[{k}]"):
                found.append(self._said(value))
        return found

    def _pairs(self, mapping: Mapping[Any, Any]) -> list[list[str]]:
        """In their order, in which a callable may go through them."""
        found = []
        for key, value in mapping.items():
            with _at(key if isinstance(key, str) else f"[{type(key).__name__}]"):
                found.append([self._said(key), self._said(value)])
        return found

    def _own(self, attributes: Mapping[str, Any]) -> list[list[str]]:
        """Attributes, whose order says nothing."""
        return self._pairs({name: attributes[name] for name in sorted(attributes, key=str)})

    def _partial(self, value: functools.partial[Any]) -> list[Any]:
        return [
            *(self._said(value.func), self._said(value.args), self._own(value.keywords)),
            self._own(getattr(value, "__dict__", {})),
        ]

    # Numbers --------------------------------------------------------------------------------------------------------

    def _tensor(self, value: Tensor) -> list[Any]:
        kind = [str(value.dtype), list(value.shape) if not value.is_nested else "nested", value.requires_grad]
        own = self._own(getattr(value, "__dict__", {}))
        if type(value) not in (Tensor, nn.Parameter):
            own = [[self._said(type(value)), ""], *own]
        if value.is_meta:
            return ["tensor", *kind, "meta", own]
        with torch.no_grad():
            return ["tensor", *kind, self._numbers(value.detach()), own]

    def _numbers(self, value: Tensor) -> list[Any]:
        if value.is_nested:
            return ["nested", self._all(value.unbind())]
        if value.is_quantized:
            return ["quantized", repr(value.qscheme()), self._said(value.int_repr()), *self._scales(value)]
        if value.layout == torch.sparse_coo:
            return ["coo", self._said(value._indices()), self._said(value._values())]
        if value.layout in (torch.sparse_csr, torch.sparse_bsr):
            return [str(value.layout), *map(self._said, (value.crow_indices(), value.col_indices(), value.values()))]
        if value.layout in (torch.sparse_csc, torch.sparse_bsc):
            return [str(value.layout), *map(self._said, (value.ccol_indices(), value.row_indices(), value.values()))]
        if value.layout != torch.strided:
            value = value.to_dense()
        plain = value.cpu().resolve_conj().resolve_neg().contiguous()
        return [hashlib.sha256(plain.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()]

    def _scales(self, value: Tensor) -> list[Any]:
        if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            return [value.q_scale(), value.q_zero_point()]
        return [self._said(value.q_per_channel_scales()), self._said(value.q_per_channel_zero_points())]

    def _array(self, value: np.ndarray) -> list[Any]:
        plain = np.asarray(value)
        if plain.dtype.hasobject:
            return [repr(plain.dtype), plain.shape, self._said(plain.tolist())]
        return [repr(plain.dtype), plain.shape, hashlib.sha256(np.ascontiguousarray(plain).tobytes()).hexdigest()]

    def _ufunc(self, value: np.ufunc) -> list[Any]:
        """By its name; one that was made of somebody's function does not say of which."""
        for module in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(module), value.__name__, None) is value:
                return ["ufunc", *modules.known_as(module), value.__name__]
        raise _Unsaid(value)

    # Code -----------------------------------------------------------------------------------------------------------

    def _code(self, value: CodeType) -> list[Any]:
        counts = [value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags]
        return [
            *("code", value.co_code.hex(), value.co_exceptiontable.hex(), counts),
            *(self._all(value.co_consts), list(value.co_names)),
        ]

    def _function(self, value: FunctionType) -> list[Any]:
        orig = getattr(value, "_torchdynamo_orig_callable", None)
        if orig is not None:
            return ["compiled", self._said(orig)]
        if hasattr(value, "registry") and hasattr(value, "dispatch") and callable(getattr(value, "register", None)):
            kinds = sorted([self._said(kind), self._said(what)] for kind, what in value.registry.items())
            return ["singledispatch", kinds]
        module = value.__globals__.get("__name__") or ""
        cells = {n: c.cell_contents for n, c in zip(value.__code__.co_freevars, value.__closure__ or ()) if filled(c)}
        own = {name: part for name, part in vars(value).items() if name != "__wrapped__"}
        held = [self._own(cells), self._own(own)]
        if modules.is_library(module):  # what it was given may be anybody's
            return ["function", *modules.known_as(module), value.__code__.co_qualname, *held]
        loaded, asked = names_in(value.__code__)
        space = self._space(value.__globals__, module)
        for name in sorted(loaded & value.__globals__.keys()):
            self._reached(space, name, value.__globals__[name], asked)
        brought = []
        for part in cells.values():
            if isinstance(part, ModuleType):
                brought.append(self._module(part, asked))
        package = value.__globals__.get("__package__") or module.rpartition(".")[0]
        for name in sorted({*modules.imported_by(value.__code__, package)}):
            there = sys.modules.get(name)
            brought.append(self._module_of(name) if there is None else self._module(there, asked))
        defaults = self._said(value.__defaults__), self._own(value.__kwdefaults__ or {})
        return ["function", self._said(value.__code__), *defaults, *held, space, sorted(loaded), brought]

    def _space(self, names: dict[str, Any], module: str) -> str:
        """A label for a function's global names."""
        if id(names) not in self._spaces:
            same = sum(label.partition("#")[0] == module for label, _ in self._spaces.values())
            self._spaces[id(names)] = f"{module}#{same}", names
        return self._spaces[id(names)][0]

    def _reached(self, space: str, name: str, value: Any, asked: set[str]) -> None:
        """Have a global name described, once; of a module what is ``asked`` of it."""
        if isinstance(value, ModuleType):
            self._globals[space, name] = once.digest(self._module(value, asked))
        elif (space, name) not in self._globals:
            self._globals[space, name] = ""
            self._waiting.append(((space, name), value))

    def _module(self, value: ModuleType, asked: set[str]) -> list[Any]:
        name = value.__name__
        if modules.is_library(name):
            return ["module", *modules.known_as(name)]
        label = f"module {name}"
        space = self._space(vars(value), name)
        if (label, space) not in self._globals:
            self._globals[label, space] = once.digest(self._module_of(name))
        made = getattr(value, "__file__", None) is None and not hasattr(value, "__path__") and name != "__main__"
        names = {one for one in vars(value) if not one.startswith("__")} if made else asked & vars(value).keys()
        for one in sorted(names):
            part = vars(value)[one]
            if (space, one) not in self._globals or isinstance(part, ModuleType):
                if isinstance(part, ModuleType):
                    if (space, one) in self._globals and self._globals[space, one] == "":
                        continue  # a package and what is in it may name each other
                    self._globals[space, one] = ""
                self._reached(space, one, part, asked)
        return ["module", name]

    def _module_of(self, name: str) -> list[Any]:
        if modules.is_library(name):
            return ["module", *modules.known_as(name)]
        return ["module", name, {} if name == "__main__" else modules.contents(name)]

    def _builtin(self, value: Any) -> list[Any]:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            return ["built in", *self._home(value.__module__ or getattr(owner, "__name__", "")), value.__qualname__]
        return ["built in", self._said(owner), value.__name__]

    def _home(self, module: str) -> list[Any]:
        return modules.known_as(module) if modules.is_library(module) else self._module_of(module)

    def _class(self, value: type) -> list[Any]:
        if modules.is_library(value.__module__ or ""):
            return ["class", *modules.known_as(value.__module__), value.__qualname__]
        own = {name: part for name, part in vars(value).items() if _counts(name, part)}
        if issubclass(value, enum.Enum):
            own = {name: part for name, part in own.items() if not name.startswith("_") or isinstance(part, _CALLED)}
            own = {name: part for name, part in own.items() if name not in value.__members__}
            own |= {name: part.value for name, part in value.__members__.items()}
        bases = [self._said(base) for base in value.__bases__]
        return ["class", value.__qualname__, self._said(type(value)), bases, self._own(own)]

    def _generator(self, value: Any) -> list[Any]:
        frame = value.gi_frame
        held = {} if frame is None else dict(frame.f_locals)
        return ["generator", self._said(value.gi_code), -2 if frame is None else frame.f_lasti, self._own(held)]

    # Networks and other objects -------------------------------------------------------------------------------------

    def _network(self, value: nn.Module) -> list[Any]:
        compiled = getattr(value, "_orig_mod", None)
        if isinstance(compiled, nn.Module) and "dynamo_ctx" in vars(value):
            return ["compiled", self._said(compiled)]
        attributes = vars(value)
        if type(value).__getstate__ is not object.__getstate__:
            with contextlib.suppress(RuntimeError):  # with which those that are parametrised refuse it
                attributes = value.__getstate__()
        said = self._own({name: part for name, part in attributes.items() if name not in _UNSEEN})
        parts = [self._pairs(getattr(value, name)) for name in ("_parameters", "_buffers", "_modules")]
        hooks = [self._all(getattr(value, name, {}).values()) for name in _HOOKS]  # by number, which says nothing
        return ["network", self._said(type(value)), said, *parts, *hooks]

    def _scripted(self, value: Any) -> list[Any]:
        if isinstance(value, torch.jit.ScriptFunction):
            return ["scripted", value.code, str(value.inlined_graph)]
        written = zipfile.ZipFile(io.BytesIO(value.save_to_buffer()))
        names = [name for name in sorted(written.namelist()) if not name.endswith((".debug_pkl", "serialization_id"))]
        kept = [[name, hashlib.sha256(written.read(name)).hexdigest()] for name in names]
        return ["scripted", kept, self._pairs(dict(value.named_buffers()))]

    def _object(self, value: Any) -> list[Any]:
        """Its class, and what a copy would be made of."""
        kind = type(value)
        if kind.__module__.startswith("sklearn.neighbors.") and hasattr(kind, "get_arrays"):  # which counts its calls
            return ["object", self._said(kind), self._all(map(np.asarray, value.get_arrays()))]
        reduce = copyreg.dispatch_table.get(kind)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python, that this will go
                reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
        except RecursionError:
            raise
        except Exception:  # whatever a class may do instead
            return self._as_it_lies(value)
        if isinstance(reduced, str):
            module = getattr(value, "__module__", None) or kind.__module__
            return ["named", *self._home(module), reduced]
        make, arguments, state, items, pairs = (*reduced, *[None] * 5)[:5]
        held: Any = None
        if make.__name__ not in _MADE_ANEW and not modules.is_library(kind.__module__):
            held = self._held(value)  # it may be made again of the name of a file
        return [
            held,
            *("object", self._said(kind), self._said(make) if make.__name__ not in _MADE_ANEW else "new"),
            *(self._all(arguments), self._state(kind, state)),
            *(self._all(items or ()), [self._all(pair) for pair in pairs or ()]),
        ]

    def _state(self, kind: type, state: Any) -> Any:
        """Attributes by name, or whatever else a class keeps of itself."""
        if isinstance(state, tuple) and len(state) == 2 and all(isinstance(one, dict | None) for one in state):
            return [self._state(kind, one) for one in state]
        if not isinstance(state, dict):
            return self._said(state)
        return self._own({name: part for name, part in state.items() if not _is_kept(kind, name)})

    def _held(self, value: Any) -> Any:
        """The attributes of an object that says itself what to make it of, if they can be read."""
        before = self._back
        try:
            return self._state(type(value), getattr(value, "__dict__", {}))
        except _Unsaid:
            self._back = before
            return None

    def _as_it_lies(self, value: Any) -> list[Any]:
        kind, slots = type(value), {}
        for name in copyreg._slotnames(kind):  # type: ignore[attr-defined]
            with contextlib.suppress(AttributeError):
                slots[name] = getattr(value, name)
        found = slots | getattr(value, "__dict__", {})
        if found:
            return ["object", self._said(kind), self._state(kind, found)]
        if callable(getattr(value, "__wrapped__", None)):
            return ["around", self._said(kind), self._said(value.__wrapped__)]
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(name, str) and getattr(sys.modules.get(module or ""), name, None) is value:
            return ["named", *self._home(module or ""), name]
        raise _Unsaid(value)


@contextlib.contextmanager
def _at(name: str) -> Any:
    try:
        yield
    except _Unsaid as unsaid:
        unsaid.trail.append(name)
        raise


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> tuple[set[str], set[str]]:
    """The global names that code, and the functions in it, read but do not set; and the attributes they ask for."""
    loaded, asked, stored = set[str](), set[str](), set[str]()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        for step in dis.get_instructions(one):
            if step.opname in _LOADS:
                loaded.add(step.argval)
            elif step.opname in _ASKS:
                asked.add(step.argval)
            elif step.opname == "STORE_GLOBAL":
                stored.add(step.argval)
        waiting += [part for part in one.co_consts if isinstance(part, CodeType)]
    return loaded - stored, asked


def filled(cell: Any) -> bool:
    """Whether a closure's cell holds something yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _counts(name: str, part: Any) -> bool:
    """Whether something in a class says what its objects do."""
    if name == "_abc_impl" or name.startswith("__annot"):
        return False
    return not (name.startswith("__") and name.endswith("__")) or callable(part) or isinstance(part, classmethod)


def _is_kept(kind: type, name: Any) -> bool:
    """Whether an attribute was worked out when it was first asked for, and can be again."""
    what = getattr(kind, name, None) if isinstance(name, str) else None
    return isinstance(what, functools.cached_property | torch.distributions.utils.lazy_property)
