"""ComfyUI: the graph that made the picture, as it ran ("prompt") or as it was drawn ("workflow").

From the node that saves the picture back to the sampler; from there to its prompts, model, networks and latents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modules.imaging.foreign.foreign import Foreign, lora, plain, read_object, readers, stem, with_networks, words
from modules.imaging.foreign.names import sampler_label, schedule_label

MOST = 2000  # nodes; larger graphs are not read
SAVES = ("SaveImage", "PreviewImage", "SaveImageWebsocket")
SAMPLERS = ("KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced")
PARTS = ("noise", "sampler", "sigmas", "guider")  # inputs of custom samplers that hold what others hold themselves
UPSCALES = {"nearest-exact": "Latent (nearest-exact)", "bilinear": "Latent", "bicubic": "Latent (bicubic)"}
THROUGH = ("conditioning", "conditioning_1", "conditioning_to", "positive")  # of nodes that add to a condition
VALUES = ("value", "text", "string", "seed", "noise_seed", "int", "float", "number")  # of nodes that hold one
# what the widgets of a drawn node are called, in their order
WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "VAELoader": ("vae_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "UNETLoader": ("unet_name",),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
}


@dataclass(frozen=True)
class Node:
    id: str
    kind: str
    inputs: Mapping[str, Any]


@dataclass
class Graph:
    """Nodes by id; `read` are those that were understood."""

    nodes: Mapping[str, Node]
    read: set[str] = field(default_factory=set)

    def linked(self, node: Node | None, name: str) -> Node | None:
        """The node behind an input, if it is a link."""
        value = node.inputs.get(name) if node else None
        for _ in range(len(self.nodes)):
            if not (isinstance(value, list) and value and isinstance(value[0], (str, int))):
                return None
            behind = self.nodes.get(str(value[0]))
            if behind is None or behind.kind != "Reroute":
                return behind
            value = next(iter(behind.inputs.values()), None)
        return None

    def value(self, node: Node | None, name: str) -> Any:
        """An input's value, followed through nodes that hold one."""
        for _ in range(len(self.nodes)):
            if node is None:
                return None
            behind = self.linked(node, name)
            if behind is None:
                return node.inputs.get(name)
            self.read.add(behind.id)
            node, name = behind, next((one for one in VALUES if one in behind.inputs), "")
        return None

    def chain(self, node: Node | None, *names: str) -> Iterator[Node]:
        """The node and those behind it, along the first of `names` that is linked."""
        seen: set[str] = set()
        while node is not None and node.id not in seen:
            seen.add(node.id)
            yield node
            node = next((found for name in names if (found := self.linked(node, name))), None)


@readers.register("ComfyUI")
def comfyui(items: Mapping[str, str], size: tuple[int, int]) -> Foreign | None:
    graph = _graph(items)
    if graph is None:
        return None
    samplers = _samplers(graph)
    if not samplers:
        kinds = sorted({one.kind for one in graph.nodes.values()})
        return Foreign(program="ComfyUI", unknown=(f"No sampler that is known in: {', '.join(kinds)}",))
    first = samplers[-1]
    sampling = _sampling(graph, first)
    positive, negative = (_text(graph, _condition(graph, first, name)) for name in ("positive", "negative"))
    model, networks = _model(graph, first)
    fields = {
        **sampling,
        "Size": _size(graph, first) or f"{size[0]}x{size[1]}",
        "Model": model,
        "VAE": _vae(graph),
        "Clip skip": _clip_skip(graph),
        "RNG": "CPU",
        "Emphasis": "No norm" if "(" in positive + negative else None,
        **(_second_pass(graph, samplers) if len(samplers) == 2 else {}),
    }
    return Foreign(
        program="ComfyUI",
        prompt=with_networks(positive, networks),
        negative=negative,
        fields=fields,
        unknown=_unknown(graph),
    )


def _graph(items: Mapping[str, str]) -> Graph | None:
    """From PNG texts, or from EXIF of WEBP, where "prompt:" and "workflow:" stand in front."""
    told = {"prompt": items.get("prompt"), "workflow": items.get("workflow")}
    for text in (items.get("Make", ""), items.get("Model", "")):
        name, _, rest = text.partition(":")
        if name.casefold() in told:
            told[name.casefold()] = rest
    ran = read_object(told["prompt"])
    if ran is not None:
        nodes = {
            id: Node(id, str(one["class_type"]), one["inputs"])
            for id, one in ran.items()
            if isinstance(one, dict) and "class_type" in one and isinstance(one.get("inputs"), dict)
        }
    else:
        nodes = _drawn(read_object(told["workflow"]) or {})
    return Graph(nodes) if 0 < len(nodes) <= MOST else None


def _drawn(workflow: dict[str, Any]) -> dict[str, Node]:
    """The nodes of a workflow as they would run: links by id, widgets by their order."""
    if not isinstance(workflow.get("nodes"), list) or not isinstance(workflow.get("links"), list):
        return {}
    sources = {
        one[0]: [str(one[1]), one[2]]
        for one in workflow["links"]
        if isinstance(one, list) and len(one) > 3 and isinstance(one[0], (int, str))
    }
    nodes: dict[str, Node] = {}
    for one in workflow["nodes"]:
        if not isinstance(one, dict) or one.get("mode") in (2, 4):  # muted, bypassed
            continue
        kind, widgets = str(one.get("type", "")), one.get("widgets_values")
        names = WIDGETS.get(kind, ("value",))
        values = dict(zip(names, widgets, strict=False)) if isinstance(widgets, list) else {}
        sockets = one.get("inputs")
        for socket in sockets if isinstance(sockets, list) else []:
            link = socket.get("link") if isinstance(socket, dict) else None
            if isinstance(link, (int, str)) and link in sources:
                values[str(socket.get("name"))] = sources[link]
        nodes[str(one.get("id"))] = Node(str(one.get("id")), kind, values)
    return nodes


def _samplers(graph: Graph) -> list[Node]:
    """Those behind the saved picture, the last one first; without a save, any."""
    for node in graph.nodes.values():
        if node.kind not in SAVES:
            continue
        way = [*graph.chain(graph.linked(node, "images"), "samples", "pixels", "image", "images", "latent_image")]
        found = [one for one in way if one.kind in SAMPLERS]
        if found:
            graph.read |= {node.id, *(one.id for one in way if one.kind in ("VAEDecode", "VAEDecodeTiled", *SAMPLERS))}
            return found
    found = [one for one in graph.nodes.values() if one.kind in SAMPLERS][:1]
    graph.read |= {one.id for one in found}
    return found


def _holder(graph: Graph, sampler: Node, name: str) -> Node:
    """The node that holds what a sampler is told by `name`: itself, or one of its parts."""
    for part in (sampler, *(graph.linked(sampler, one) for one in PARTS)):
        if part is not None and name in part.inputs:
            graph.read.add(part.id)
            return part
    return sampler


def _sampling(graph: Graph, sampler: Node) -> dict[str, object]:
    def told(*names: str) -> Any:
        return next(
            (value for name in names if (value := graph.value(_holder(graph, sampler, name), name)) is not None), None
        )

    name, scheduler = words(told("sampler_name")), words(told("scheduler"))
    denoise = told("denoise")
    return {
        "Steps": plain(told("steps")),
        "Sampler": sampler_label(name) if name else None,
        "Schedule type": schedule_label(scheduler) if scheduler else None,
        "CFG scale": plain(told("cfg")),
        "Seed": plain(told("seed", "noise_seed")),
        "Denoising strength": plain(denoise) if isinstance(denoise, (int, float)) and denoise < 1 else None,
    }


def _condition(graph: Graph, sampler: Node, name: str) -> Node | None:
    holder = _holder(graph, sampler, name)
    if name == "positive" and name not in holder.inputs:
        holder, name = _holder(graph, sampler, "conditioning"), "conditioning"  # BasicGuider has but one
    return graph.linked(holder, name)


def _text(graph: Graph, node: Node | None, depth: int = 0) -> str:
    """The words of a condition; combined ones are joined as our prompts join them."""
    if node is None or depth > 50:
        return ""
    parts = [words(graph.value(node, name)) for name in ("text", "text_g", "text_l", "t5xxl") if name in node.inputs]
    if parts:
        graph.read.add(node.id)
        return "\n".join(dict.fromkeys(one for one in parts if one))
    if node.kind == "ConditioningZeroOut":
        graph.read.add(node.id)
        return ""
    if node.kind in ("ConditioningCombine", "ConditioningConcat"):
        names, joint = ("conditioning_1", "conditioning_2"), " AND "
        if node.kind == "ConditioningConcat":
            names, joint = ("conditioning_to", "conditioning_from"), " BREAK "
        graph.read.add(node.id)
        both = (_text(graph, graph.linked(node, name), depth + 1) for name in names)
        return joint.join(one for one in both if one)
    behind = (graph.linked(node, name) for name in THROUGH)
    return _text(graph, next((one for one in behind if one is not None), None), depth + 1)


def _model(graph: Graph, sampler: Node) -> tuple[str | None, list[str]]:
    """The checkpoint's name, and the networks in the order in which they are applied."""
    networks: list[str] = []
    for node in graph.chain(graph.linked(_holder(graph, sampler, "model"), "model"), "model"):
        if "lora_name" in node.inputs:
            graph.read.add(node.id)
            weights = (graph.value(node, "strength_model"), graph.value(node, "strength_clip"))
            networks.insert(0, lora(node.inputs["lora_name"], *weights))
        for name in ("ckpt_name", "unet_name"):
            if name in node.inputs:
                graph.read.add(node.id)
                return stem(graph.value(node, name)), networks
    return None, networks


def _latent(graph: Graph, sampler: Node) -> Iterator[Node]:
    return graph.chain(graph.linked(sampler, "latent_image"), "samples", "latent_image", "pixels", "image")


def _size(graph: Graph, sampler: Node) -> str | None:
    for node in _latent(graph, sampler):
        width, height = graph.value(node, "width"), graph.value(node, "height")
        if isinstance(width, int) and isinstance(height, int):
            graph.read.add(node.id)
            return f"{width}x{height}"
    return None


def _second_pass(graph: Graph, samplers: list[Node]) -> dict[str, object]:
    """A second sampler over enlarged latents is our Hires; anything else between them stays unknown."""
    second, first = samplers
    way: list[Node] = []
    for node in _latent(graph, second):
        if node.id == first.id:
            break
        way.append(node)
    if len(way) != 1 or way[0].kind not in ("LatentUpscale", "LatentUpscaleBy"):
        return {}
    step = way[0]
    method = UPSCALES.get(words(step.inputs.get("upscale_method")))
    told = _sampling(graph, second)
    if method is None or "Denoising strength" not in told:
        return {}
    graph.read |= {step.id, second.id}
    by = plain(graph.value(step, "scale_by"))
    to = f"{graph.value(step, 'width')}x{graph.value(step, 'height')}"
    return {
        "Denoising strength": told["Denoising strength"] or 1,
        "Hires upscale": by,
        "Hires resize": None if by is not None else to,
        "Hires steps": told["Steps"],
        "Hires upscaler": method,
    }


def _vae(graph: Graph) -> str | None:
    for node in graph.nodes.values():
        if node.kind.startswith("VAEDecode") and node.id in graph.read:
            loader = graph.linked(node, "vae")
            if loader is not None and "vae_name" in loader.inputs:
                graph.read.add(loader.id)
                return words(graph.value(loader, "vae_name")).replace("\\", "/").rpartition("/")[2] or None
    return None


def _clip_skip(graph: Graph) -> int | None:
    for node in graph.nodes.values():
        if node.id not in graph.read or "clip" not in node.inputs:
            continue
        for layer in graph.chain(node, "clip"):
            if layer.kind == "CLIPSetLastLayer":
                graph.read.add(layer.id)
                last = graph.value(layer, "stop_at_clip_layer")
                return -last if isinstance(last, int) and last < -1 else None
    return None


def _unknown(graph: Graph) -> tuple[str, ...]:
    """Nodes that were not followed, by kind; loaders that only hold parts of what was are left out."""
    quiet = ("Note", "MarkdownNote", "Reroute", "PrimitiveNode", "CLIPLoader", "DualCLIPLoader", *SAVES)
    left: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        if node.id not in graph.read and node.kind not in quiet:
            left.setdefault(node.kind, []).append(node.id)
    return tuple(f"{kind} (node {', '.join(ids)})" for kind, ids in left.items())
