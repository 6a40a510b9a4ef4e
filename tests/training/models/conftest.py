import torch

# These models are so small that threads only wait for one another: with other work on the machine, thirty times longer.
torch.set_num_threads(1)
