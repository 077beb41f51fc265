module example.com/{name}

go 1.24

require github.com/transom-data/transom/plugins/sdk/go v0.0.0

// Written by `transom build`, of the same release as the program.
replace github.com/transom-data/transom/plugins/sdk/go => ./{sdk}
