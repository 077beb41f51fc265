module sandbox

go 1.24

require github.com/transom-data/transom/plugins/sdk/go v0.0.0

replace github.com/transom-data/transom/plugins/sdk/go => ../../../plugins/sdk/go
