module mintage.dev/cluster/pause

go 1.26.0
