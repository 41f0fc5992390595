# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Compose project has the value of a service's environment variable from, and the same files with another one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

PyYAML tells where in the text a value stands; only these characters are exchanged, so comments, order, quoting and anchors stay
as they are. Compose's own rules (its reference on ``environment``, ``env_file``, interpolation and merging): what ``environment``
says counts before ``env_file``, a later file before an earlier one, a service's own words before what it extends; a variable in
``${…}`` is looked up in the environment of the one who runs Compose, then in ``.env``, then its default counts.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

# Compose looks no deeper either.
MAX_EXTENDS = 20


class Project(t.NamedTuple):
    """A project's files, all as text by path: ``compose_files`` in the order in which they were given to Compose,
    ``variable_files`` those that interpolation reads (``.env``). ``read`` gives the text of any other file that they name, None
    where there is none."""

    directory: str
    compose_files: t.Mapping[str, str]
    variable_files: t.Mapping[str, str]
    read: t.Callable[[str], str | None]


class Place(t.NamedTuple):
    """Where a value stands: the characters ``start`` to ``end`` of a file. ``before`` and ``after`` are put around a new
    value; they are empty where only the old value is exchanged."""

    path: str
    start: int
    end: int
    value: str
    before: str = ""
    after: str = ""


def set_variables(project: Project, service: str, variables: t.Mapping[str, str | None]) -> dict[str, str]:
    """The files that have to change so that *service* gets *variables*, ``{path: new text}``; empty where it has them already.
    A variable that is None is taken out again where it was added before.

    Raises PooledError, with the line to write by hand, where a value is made of several parts or comes from outside.
    """
    changed: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        # Every edit moves what stands behind it, so the next one looks again.
        now = project._replace(
            compose_files={path: changed.get(path, text) for path, text in project.compose_files.items()},
            variable_files={path: changed.get(path, text) for path, text in project.variable_files.items()},
            read=lambda path: changed.get(path) or project.read(path),
        )
        place = find(now, service, name)
        if value is None:
            place, value = place and _line_of(now, place), ""
        elif place is None:
            place = _room_for(now, service, name)
        if place is None or place.value == value:
            continue
        text = _text_of(now, place.path)
        changed[place.path] = text[: place.start] + place.before + value + place.after + text[place.end :]
    return changed


def find(project: Project, service: str, variable: str) -> Place | None:
    """The place of the value that *service* gets for *variable*; None where no file gives it one."""
    definitions = list(_definitions(project, service))
    if not definitions:
        files = ", ".join(project.compose_files)
        raise PooledError(f"the service {service} is not in {files}; {_by_hand(service, variable)}")
    for path, node in definitions:
        place = _in_environment(project, path, _value(node, "environment"), service, variable)
        if place is not None:
            return place
    for _path, node in definitions:
        for path in reversed(_env_files(project, _value(node, "env_file"))):
            place = _in_variable_file(path, project.read(path) or "", variable)
            if place is not None:
                return _plain(place, service, variable)
    return None


def _definitions(project: Project, service: str) -> t.Iterator[tuple[str, t.Any]]:
    """Everything that says something about *service*, what counts most first, as ``(path, node)``."""
    for path, text in reversed(list(project.compose_files.items())):
        node = _service_in(path, text, service)
        if node is not None:
            yield from _with_extended(project, path, node, MAX_EXTENDS)


def _with_extended(project: Project, path: str, node: t.Any, depth: int) -> t.Iterator[tuple[str, t.Any]]:
    yield path, node
    extends = _value(node, "extends")
    if extends is None or depth == 0:
        return
    named = extends.value if isinstance(extends, yaml.ScalarNode) else _scalar(_value(extends, "service"))
    other = None if isinstance(extends, yaml.ScalarNode) else _scalar(_value(extends, "file"))
    where = posixpath.join(posixpath.dirname(path), other) if other else path
    text = project.compose_files.get(where) or project.read(where)
    base = _service_in(where, text, named or "") if text else None
    if base is not None:
        yield from _with_extended(project, where, base, depth - 1)


def _service_in(path: str, text: str, service: str) -> t.Any | None:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PooledError(f"{path} is no YAML that can be read{f' (line {mark.line + 1})' if mark else ''}") from None
    return _value(_value(root, "services"), service)


# --- a place in a compose file ----------------------------------------------------------------------------------------


def _in_environment(project: Project, path: str, node: t.Any, service: str, variable: str) -> Place | None:
    found: Place | None = None
    if isinstance(node, yaml.MappingNode):
        value = _value(node, variable)
        if value is not None:
            found = _scalar_place(project, path, value, 0)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            name, sign, _value_ = item.value.partition("=")
            if name == variable:
                found = _scalar_place(project, path, item, len(name) + len(sign))
                if not sign:
                    return _interpolated(project, found, "${" + variable + "}", service, variable)
    if found is None:
        return None
    if found.value in ("", "~", "null") and isinstance(node, yaml.MappingNode):
        return _interpolated(project, found, "${" + variable + "}", service, variable)
    return _interpolated(project, found, found.value, service, variable)


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def _scalar_place(project: Project, path: str, node: t.Any, skip: int) -> Place:
    """The characters of a scalar, behind its first *skip*, without its anchor, tag and quotes."""
    properties = _PROPERTIES.match(_text_of(project, path), node.start_mark.index)
    start, end = properties.end() if properties else node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        line = node.start_mark.line + 1
        raise PooledError(
            f"{path}, line {line}, has the value in lines of its own ({node.style}); write it in one line, then repeat"
        )
    if node.style in ("'", '"'):
        start, end = start + 1, end - 1
    return Place(path, start + skip, end, node.value[skip:])


_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-?+])(.*))?\})\Z", re.DOTALL)


def _interpolated(project: Project, place: Place, value: str, service: str, variable: str) -> Place:
    """Where a value that may be ``${NAME:-default}`` really comes from."""
    if "$" not in value:
        return place
    reference = _REFERENCE.match(value)
    if reference is None or "$" in (reference.group(4) or ""):
        raise PooledError(
            f"{variable} of the service {service} is made of several parts; {_by_hand(service, variable)}"
        )
    name = reference.group(1) or reference.group(2)
    for path, text in reversed(list(project.variable_files.items())):
        found = _in_variable_file(path, text, name)
        if found is not None:
            return _plain(found, service, variable)
    operator, default = reference.group(3) or "", reference.group(4) or ""
    if operator not in ("-", ":-"):
        raise PooledError(
            f"{variable} of the service {service} comes from {name} in the environment of whoever runs Compose;"
            f" {_by_hand(service, variable)}"
        )
    start = place.start + reference.start(4)
    return Place(place.path, start, start + len(default), default)


def _room_for(project: Project, service: str, variable: str) -> Place:
    """Where a variable that no file gives can be added: in the environment of the file that counts most."""
    path, node = next(iter(_definitions(project, service)))
    environment = _own_value(node, "environment")
    text = _text_of(project, path)
    if environment is None:
        if _value(node, "environment") is not None:
            # An environment of its own would hide the one that is merged into the service.
            raise PooledError(
                f"the environment of the service {service} comes from an anchor; {_by_hand(service, variable)}"
            )
        first = _own_items(node, service, variable)[0][0]
        column = first.start_mark.column
        begin = _line_start(text, first.start_mark.index)
        return Place(path, begin, begin, "", f"{' ' * column}environment:\n{' ' * (column + 2)}{variable}: ", "\n")
    if environment.flow_style or not environment.value:
        raise PooledError(f"the environment of the service {service} is on one line; {_by_hand(service, variable)}")
    if isinstance(environment, yaml.SequenceNode):
        first = environment.value[0]
        begin = _line_start(text, first.start_mark.index)
        return Place(path, begin, begin, "", text[begin : first.start_mark.index].rstrip("'\"") + f"{variable}=", "\n")
    first = environment.value[0][0]
    begin = _line_start(text, first.start_mark.index)
    return Place(path, begin, begin, "", f"{' ' * first.start_mark.column}{variable}: ", "\n")


def _line_of(project: Project, place: Place) -> Place:
    """The whole line of a value, and the ``environment:`` above it where nothing else is in there."""
    text = _text_of(project, place.path)
    start, end = _line_start(text, place.start), text.find("\n", place.end) + 1 or len(text)
    above = _line_start(text, start - 1) if start else 0
    column = len(text[start:end]) - len(text[start:end].lstrip())
    below = text[end:]
    alone = len(below) - len(below.lstrip(" ")) < column
    if alone and text[above:start].strip() == "environment:":
        start = above
    return Place(place.path, start, end, text[start:end])


def _own_items(node: t.Any, service: str, variable: str) -> list[tuple[t.Any, t.Any]]:
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise PooledError(f"the service {service} is written on one line; {_by_hand(service, variable)}")
    return t.cast("list[tuple[t.Any, t.Any]]", node.value)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _text_of(project: Project, path: str) -> str:
    for known in (project.compose_files, project.variable_files):
        if path in known:
            return known[path]
    return project.read(path) or ""


# --- env_file and .env ------------------------------------------------------------------------------------------------


def _env_files(project: Project, node: t.Any) -> list[str]:
    items = node.value if isinstance(node, yaml.SequenceNode) else [] if node is None else [node]
    named = [_scalar(item) or _scalar(_value(item, "path")) for item in items]
    return [posixpath.normpath(posixpath.join(project.directory, path)) for path in named if path]


_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)[ \t]*[=:][ \t]*
    (?:'(?P<single>[^'\n]*)'|"(?P<double>[^"\n]*)"|(?P<bare>[^\n]*?))(?=[ \t]*(?:[ \t]\#[^\n]*)?\r?$)""",
    re.MULTILINE | re.VERBOSE,
)


def _in_variable_file(path: str, text: str, variable: str) -> Place | None:
    """The last line that gives *variable* a value."""
    found = None
    for match in _ASSIGNMENT.finditer(text):
        if match.group("name") == variable:
            group = next(name for name in ("single", "double", "bare") if match.group(name) is not None)
            found = Place(path, match.start(group), match.end(group), match.group(group))
    return found


def _plain(place: Place, service: str, variable: str) -> Place:
    if "$" in place.value:
        raise PooledError(
            f"{variable} of the service {service} is made of other variables in {place.path}; {_by_hand(service, variable)}"
        )
    return place


def _by_hand(service: str, variable: str) -> str:
    return f"write it into the compose file yourself (services.{service}.environment.{variable}) and run docker compose up -d"


# --- YAML nodes -------------------------------------------------------------------------------------------------------


def _own_value(node: t.Any, key: str) -> t.Any | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key and name.tag != "tag:yaml.org,2002:merge":
                return value
    return None


def _value(node: t.Any, key: str) -> t.Any | None:
    """What a mapping has under *key*, itself or from what is merged into it (``<<``)."""
    own = _own_value(node, key)
    if own is not None or not isinstance(node, yaml.MappingNode):
        return own
    for name, value in node.value:
        if name.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = _value(merged, key)
                if found is not None:
                    return found
    return None


def _scalar(node: t.Any) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
