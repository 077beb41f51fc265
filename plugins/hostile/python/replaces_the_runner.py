# The interpreter is the plugin's own: what it breaks in there is its own loss.
import sys

import transom

for name, module in list(sys.modules.items()):
    if name.startswith(("transom", "wit_world", "componentize")):
        for attribute in list(vars(module)):
            if callable(getattr(module, attribute, None)):
                setattr(module, attribute, None)
