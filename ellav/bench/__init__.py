"""How fast this machine decodes, trains, codes and streams, beside a plain reference and the floor of each."""
