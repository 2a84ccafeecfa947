"""The pure verbs: values in, values out. No clock, no random, no input or output, nothing third party."""
