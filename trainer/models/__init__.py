"""Networks. Each function receives the input shape, the number of outputs and the parts that the knobs chose.

Modules carry names of their own (`hidden1.linear`), because initial weights are drawn by parameter name: a network with
batch norm starts from the very weights of its twin without.
"""
