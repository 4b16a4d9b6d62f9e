"""Fine-tune the packaged network in a loop of your own, and make a model of it that every backend scores with."""

import sys

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.torch import StampDataset
from space2vec.training.augment import Augmentation
from space2vec.training.dataset import split

output, epochs = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)

# Your stamps and labels: s2v.read(...), and space2vec.training.labels.label_stamps(stamps, "labels.csv").
night = s2v.simulate(200, survey="rubin", seed=1)
rows = LabelledStamps(night.stamps, night.labels, night.kinds)
training, test = (rows[part] for part in split(rows.group, (0.75, 0.25)))

network = s2v.load("stampnet")
data = StampDataset(training, like=network, augmentation=Augmentation())

module = network.module
module.convolutions.requires_grad_(False)
optimiser = torch.optim.AdamW([weight for weight in module.parameters() if weight.requires_grad], lr=1e-3)
for epoch in range(epochs):
    module.train()
    module.convolutions.eval()
    for *inputs, label in DataLoader(data, batch_size=32, shuffle=True):
        loss = binary_cross_entropy_with_logits(module(*inputs), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}")

tuned = s2v.Network.from_module(module, like=network, stamps=data.stamps, training={"data": "simulated"})
tuned.save(output)
print(s2v.evaluation.evaluate(s2v.load(output).score(test.stamps).score, test.label, group=test.group, bootstrap=0))
