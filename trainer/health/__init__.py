"""The health of a run while it trains: each layer's gradients, weights and activations, and pictures of the result.

Health only observes: nothing here draws from training's random streams or changes a number that training uses.

A sample is taken at a few hundred steps of a run (see sampling.py) and stored as one point of kind "health". Its columns, with
LAYER as in `model.named_modules()`:

- `step`: the sampled optimizer step, counted from 1
- `grad_norm/LAYER`: L2 norm of the gradient of a layer's parameters, before clipping (under float16: unscaled)
- `weight_norm/LAYER`: L2 norm of these parameters before the step
- `update_ratio/LAYER`: L2 norm of the step's change over `weight_norm`; 0 where the loss scaler skipped the step, NaN where
  the run ended before it
- `act_mean/LAYER`, `act_std/LAYER`: over the activations of the step's batch (of a large one: of its first rows), in
  training mode
- `act_zero/LAYER`: the share of activations with |a| < 1e-6
- `act_dead/LAYER`: the share of units (for images: channels) for which that holds in every row and at every position

The first three exist for layers with a weight matrix, the others for hook points: nonlinearities, and layers that declare
themselves one (see trainer/models). Values that are not finite are recorded as they are.

Pictures, such as a confusion matrix, are views of a run: see pictures.py.
"""
