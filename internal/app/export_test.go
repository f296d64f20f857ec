package app

import "github.com/prometheus/client_golang/prometheus"

// Metrics returns what describes every metric of a, also those without samples.
func Metrics(a *App) prometheus.Collector { return a.core.metrics }
