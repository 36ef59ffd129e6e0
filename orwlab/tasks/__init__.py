"""Fine-tuning on real data: what to load, which model, which reward, and the experiment as one call."""
