module github.com/transom-data/transom/plugins/sdk/go

go 1.24
