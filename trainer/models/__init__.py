"""Networks. Each function receives the input shape, the number of outputs and the parts that the knobs chose.

Modules carry names of their own (`hidden1.linear`), because initial weights are drawn by parameter name: a network with
batch norm starts from the very weights of its twin without.

A new model is one function in a file of this package; no other file names it. Its decorator declares what others need:

- `places`: where it puts `parts.drop(place)`; the sidebar shows the dropout rates of these places alone
- `normalizes`: the spatial dimensions (0 vectors, 2 images) of what it passes to `parts.normalize`
- `own_normalization`: True for a network that brings its own norms, so that there is none to choose
- `before_norm(knobs)`: those of its `places` that stand in front of a chosen norm, in the order of the forward pass
- `recurrent`: True where the signal passes through time
- `narrow(knobs, least)`: where no more than `least` units let the signal through, in words, and wider values for knobs

`Parts` names its modules `norm`, `activation` and `dropout`: by these names pre-flight and the health view find the norms and
activations. Layers of `trainer/layers.py` say the rest by class attributes:

- `hook_point`: True where the health view treats the output as activations
- `adds_input`: True for a block that adds its input to what it computes; pre-flight measures the sum
- `gates`: how many matrices a recurrent layer (with a `hidden_size`) stacks in each of its weights; each is drawn by itself
"""
