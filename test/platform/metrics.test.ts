import { describe, expect, it } from 'vitest'
import { Metrics } from '#platform/metrics.ts'

describe('Metrics', () => {
  it('renders counters, gauges and histograms under one prefix', async () => {
    const metrics = new Metrics({ processMetrics: true })
    metrics.counter('orders_total', 'Orders', ['market']).inc({ market: 'A' })
    metrics.counter('orders_total', 'Orders', ['market']).inc({ market: 'A' }, 2)
    metrics.gauge('lag_blocks', 'Lag').set(4)
    metrics.histogram('commit_ms', 'Commits', [], [1, 10]).observe(5)
    const text = await metrics.render()
    expect(text).toContain('mooring_orders_total{market="A"} 3')
    expect(text).toContain('mooring_lag_blocks 4')
    expect(text).toContain('mooring_commit_ms_bucket{le="10"} 1')
    expect(text).toContain('mooring_process_cpu_seconds_total')
  })
})
