"""The health of a run while it trains: what each layer's gradients, weights and activations do, and pictures of the result.

Observation only: nothing here draws from training's random streams or changes a number that training uses.

Series are points of kind "health", one row a look (see looks.py for when). Columns, with LAYER as in `model.named_modules()`:

- `step`: the optimizer step that was looked at, counted from 1
- `grad_norm/LAYER`: L2 norm of the gradient of a layer's parameters, before clipping (under float16: unscaled)
- `weight_norm/LAYER`: L2 norm of these parameters before the step
- `update_ratio/LAYER`: L2 norm of what the step changed, over `weight_norm`; 0 where the loss scaler skipped the step,
  NaN where the run ended before it
- `act_mean/LAYER`, `act_std/LAYER`: over the activations of the step's batch (of a large one: of its first
  samples), in training mode
- `act_zero/LAYER`: the share of activations with |a| < 1e-6
- `act_dead/LAYER`: the share of units (for images: channels) that were so for every sample and position of the look

The first three are for layers with a weight matrix, the others for nonlinearities, recurrent layers and Transformer
blocks. What is not finite is recorded as it is.

Pictures, such as a confusion matrix, are views of a run: see pictures.py.
"""
