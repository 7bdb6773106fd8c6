"""What commands do with one's own networks, data and results.

options       --dataset and --data, which these and other commands share
training      `robint train MODEL --data ...`
retraining    `robint roar MODEL --data ...`
vae_gan       `robint vae-gan train --data ...`
gradients     `robint gradients MODEL --data ...`
distance      `robint distance MODEL --vae-gan vae.keras --data ...`
compare       `robint compare A.json B.json ...`: runs side by side
"""
