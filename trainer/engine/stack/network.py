"""The networks of several runs as one: a layer of all of them takes one call instead of one for each.

No number changes by that. Whether a call for all gives the bits that a call for each gives depends on the layer, its shape and
the processor's libraries. It is tried out once for each shape, forward and backward; where they differ, each gets its own call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.lazy import lazy

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]
else:
    torch = lazy("torch")

TRIAL_SEED = 0
LANES = 64
"""No processor computes more numbers with one instruction than this, in float32, nor a loop that is unrolled for it."""


class StackedNetwork:
    """The networks of `members` runs that are alike but for their numbers. Weights and gradients stay where each run has them:
    `load` copies the weights from there, `backward` the gradients back.

    `vectors` holds all parameters of each network (flat.py), `generators` the stream of each one's dropout.
    """

    def __init__(
        self,
        models: Sequence[torch.nn.Module],
        vectors: Sequence[torch.nn.Parameter],
        generators: Sequence[torch.Generator],
    ) -> None:
        self.vectors = [vector.detach() for vector in vectors]
        self.gradients = [vector.grad for vector in vectors if vector.grad is not None]
        self.values = torch.stack(self.vectors)
        self.gradient = torch.zeros_like(self.values)
        self.rows = list(self.gradient.unbind())
        self.first = vectors[0]
        self.layers = [self._layer(modules, generators) for modules in leaves(models)]
        self.reached: list[Reached] = []

    def load(self) -> None:
        """Takes the weights as they are."""
        torch.stack(self.vectors, out=self.values)

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [members, batch, outputs] for inputs [members, batch, *shape], in training mode."""
        self.reached = []
        for layer in self.layers:
            inputs = layer(inputs)
            self.reached += layer.reached
        return inputs

    def backward(self, losses: Sequence[torch.Tensor]) -> None:
        """Gives each run the gradients of its loss, given the outputs of the last call."""
        found = torch.autograd.grad(losses, [one.tensor for one in self.reached])
        torch._foreach_copy_([one.gradient for one in self.reached], found)
        torch._foreach_copy_(self.gradients, self.rows)

    def unload_buffers(self) -> None:
        """Gives each run its running statistics, which stay here from step to step."""
        for layer in self.layers:
            layer.unload_buffers()

    def _layer(self, modules: tuple[torch.nn.Module, ...], generators: Sequence[torch.Generator]) -> Layer:
        module = modules[0]
        if isinstance(module, torch.nn.Dropout):
            return StackedDropout(module.p, generators)
        places = {name: self._place(one) for name, one in module.named_parameters()}
        together = together_of(module)
        return Layer(modules, places) if together is None else Shared(modules, places, together)

    def _place(self, parameter: torch.nn.Parameter) -> Reached:
        """A parameter of all runs, [members, *shape], where the first run has `parameter`."""
        start = int(parameter.storage_offset() - self.first.storage_offset())
        part, shape = slice(start, start + parameter.numel()), (-1, *parameter.shape)
        view = self.values[:, part].view(shape).requires_grad_()
        return Reached(view, self.gradient[:, part].view(shape))


def leaves(models: Sequence[torch.nn.Module]) -> Iterator[tuple[torch.nn.Module, ...]]:
    """The layers of networks that are alike, in the order in which they run: each as the modules of all networks."""
    if isinstance(models[0], torch.nn.Sequential):
        for children in zip(*(model.children() for model in models), strict=True):
            yield from leaves(children)
    else:
        yield tuple(models)


@dataclass(frozen=True)
class Reached:
    """A tensor that a forward pass has used, and where its gradient belongs."""

    tensor: torch.Tensor
    gradient: torch.Tensor


class Layer:
    """A layer that is called for each run by itself."""

    def __init__(self, modules: Sequence[torch.nn.Module], places: Mapping[str, Reached]) -> None:
        """`places`: the layer's parameters of all runs."""
        self.modules = modules
        self.own = [
            Reached(module.get_parameter(name), place.gradient[number])
            for name, place in places.items()
            for number, module in enumerate(modules)
        ]
        self.reached = self.own

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs and outputs [members, batch, …]; `reached` then tells what it was computed from."""
        return torch.stack([module(one) for module, one in zip(self.modules, inputs.unbind(), strict=True)])

    def unload_buffers(self) -> None:
        """Gives each run its buffers."""


class Shared(Layer):
    """A layer that is called once for all runs wherever that makes no difference to any number."""

    def __init__(
        self,
        modules: Sequence[torch.nn.Module],
        places: Mapping[str, Reached],
        together: Callable[..., torch.Tensor],
    ) -> None:
        """`together(module, inputs, **tensors)` computes the layer from the parameters and buffers of all runs, stacked."""
        super().__init__(modules, places)
        self.together, self.places = together, list(places.values())
        self.parameters = {name: place.tensor for name, place in places.items()}
        self.buffers = stacked([dict(module.named_buffers()) for module in modules])
        self.holds_buffers = False
        self.known: dict[torch.Size, bool] = {}

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs and outputs [members, batch, …]."""
        shape = inputs.shape
        if shape not in self.known:
            self.known[shape] = self.makes_no_difference(inputs)
        if not self.known[shape]:
            self.unload_buffers()
            self.reached = self.own
            return super().__call__(inputs)
        self.load_buffers()
        self.reached = self.places
        outputs = self.together(self.modules[0], inputs, **self.parameters, **self.buffers)
        for place, module in enumerate(self.modules):
            for hook in module._forward_hooks.values():
                hook(module, (), outputs[place])
        return outputs

    def makes_no_difference(self, inputs: torch.Tensor) -> bool:
        """Whether one call for all and one for each give the same bits, gradients included, for random numbers in the shape
        of `inputs`."""
        if (
            inputs[0].numel() % LANES
        ):  # the odd ones at the end are computed in another way, but seldom differ
            return False
        random = torch.Generator().manual_seed(TRIAL_SEED)
        given = torch.randn(inputs.shape, generator=random)
        tensors = {
            name: torch.randn(one.shape, generator=random).requires_grad_()
            for name, one in self.parameters.items()
        }
        outer = [given.requires_grad_(), *tensors.values()]
        outputs = self.together(self.modules[0], given, **tensors, **copies(self.buffers))
        wanted = torch.randn(outputs.shape, generator=random)
        found = [outputs, *torch.autograd.grad(outputs, outer, wanted)]
        alone: list[list[torch.Tensor]] = []
        for place, module in enumerate(self.modules):
            own = {name: one.detach()[place].clone().requires_grad_() for name, one in tensors.items()}
            part = given.detach()[place].clone().requires_grad_()
            result = torch.func.functional_call(module, {**own, **copies(dict(module.named_buffers()))}, part)
            alone.append([result, *torch.autograd.grad(result, [part, *own.values()], wanted[place])])
        return all(
            torch.equal(one, torch.stack(parts))
            for one, parts in zip(found, zip(*alone, strict=True), strict=True)
        )

    def load_buffers(self) -> None:
        """Takes the buffers as each run has them, unless they are here already."""
        if not self.holds_buffers:
            for name, values in self.buffers.items():
                torch.stack([module.get_buffer(name) for module in self.modules], out=values)
            self.holds_buffers = True

    def unload_buffers(self) -> None:
        """Gives each run its buffers, unless it has them already."""
        if self.holds_buffers:
            for name, values in self.buffers.items():
                for module, value in zip(self.modules, values, strict=True):
                    module.get_buffer(name).copy_(value)
            self.holds_buffers = False


class StackedDropout(Layer):
    """Dropout that draws the mask of each run from the run's own stream, as torch.nn.Dropout does from the global one."""

    def __init__(self, rate: float, generators: Sequence[torch.Generator]) -> None:
        super().__init__((), {})
        self.kept, self.generators = 1 - rate, generators

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs and outputs [members, batch, …]."""
        mask = torch.empty(inputs.shape)
        for part, generator in zip(mask.unbind(), self.generators, strict=True):
            part.bernoulli_(self.kept, generator=generator)
        return inputs * mask.div_(self.kept)


def together_of(module: torch.nn.Module) -> Callable[..., torch.Tensor] | None:
    """Returns how a layer is computed for all runs at once, or None where nobody knows."""
    for kind, together in (
        (torch.nn.Linear, linear),
        (torch.nn.BatchNorm1d, batch_norm),
        (torch.nn.Flatten, flatten),
    ):
        if isinstance(module, kind):
            return together
    bare = not any(True for _ in module.parameters()) and not any(True for _ in module.buffers())
    return elementwise if bare else None


def linear(
    module: torch.nn.Module, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """[members, batch, in] → [members, batch, out], by weights [members, out, in] and biases [members, out]."""
    return torch.baddbmm(bias[:, None], inputs, weight.transpose(1, 2))


def batch_norm(
    module: torch.nn.BatchNorm1d,
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    running_mean: torch.Tensor,
    running_var: torch.Tensor,
    num_batches_tracked: torch.Tensor,
) -> torch.Tensor:
    """[members, batch, features]: features of different members are different features.

    Outputs and gradients are contiguous, as those of separate runs are: sums depend on the order in memory.
    """
    members, batch, features = inputs.shape
    num_batches_tracked.add_(1)
    outputs = torch.nn.functional.batch_norm(
        torch.cat(inputs.unbind(), dim=1),
        running_mean.view(-1),
        running_var.view(-1),
        weight.reshape(-1),
        bias.reshape(-1),
        training=True,
        momentum=module.momentum or 0.0,
        eps=module.eps,
    )
    return outputs.view(batch, members, features).transpose(0, 1).contiguous()


def flatten(module: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """[members, batch, *shape] → [members, batch, features]."""
    return inputs.flatten(2)


def elementwise(module: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """What has no parameters is tried as if it looked at each number by itself."""
    outputs: torch.Tensor = module.forward(inputs)
    return outputs


def stacked(tensors: Sequence[Tensors]) -> dict[str, torch.Tensor]:
    """Tensors of each run as tensors of all, [members, *shape]."""
    return {name: torch.stack([one[name] for one in tensors]) for name in tensors[0]}


def copies(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Copies of all."""
    return {name: one.clone() for name, one in tensors.items()}
