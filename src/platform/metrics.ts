import {
  Counter,
  Gauge,
  Histogram,
  Registry as PromRegistry,
  collectDefaultMetrics,
} from 'prom-client'

type Labels = Record<string, string>

export interface CounterMetric {
  inc(labels?: Labels, value?: number): void
}

export interface GaugeMetric {
  set(value: number, labels?: Labels): void
  /** What the labels name is gone. */
  remove(labels: Labels): void
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void
}

const PREFIX = 'mooring_'

/** The figures of one node in Prometheus' form; names get the prefix `mooring_`. */
export class Metrics {
  readonly registry = new PromRegistry()
  readonly #known = new Map<string, Counter | Gauge | Histogram>()

  constructor(options: { processMetrics?: boolean } = {}) {
    if (options.processMetrics === true) {
      collectDefaultMetrics({ register: this.registry, prefix: PREFIX })
    }
  }

  /** Asking again for a name gives the same counter. */
  counter(name: string, help: string, labels: readonly string[] = []): CounterMetric {
    const counter = this.#once(name, Counter, (options) => new Counter(options), help, labels)
    return { inc: (values = {}, value = 1) => counter.inc(values, value) }
  }

  gauge(name: string, help: string, labels: readonly string[] = []): GaugeMetric {
    const gauge = this.#once(name, Gauge, (options) => new Gauge(options), help, labels)
    return {
      set: (value, values = {}) => gauge.set(values, value),
      remove: (values) => gauge.remove(values),
    }
  }

  /** `buckets` are upper bounds in the unit that the name ends with. */
  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    buckets?: readonly number[],
  ): HistogramMetric {
    const histogram = this.#once(
      name,
      Histogram,
      (options) =>
        new Histogram(buckets === undefined ? options : { ...options, buckets: [...buckets] }),
      help,
      labels,
    )
    return { observe: (value, values = {}) => histogram.observe(values, value) }
  }

  /** The text that Prometheus scrapes. */
  render(): Promise<string> {
    return this.registry.metrics()
  }

  #once<M extends Counter | Gauge | Histogram>(
    name: string,
    kind: abstract new (...parameters: never[]) => M,
    make: (options: MetricOptions) => M,
    help: string,
    labels: readonly string[],
  ): M {
    const known = this.#known.get(name)
    if (known instanceof kind) return known
    const metric = make({
      name: `${PREFIX}${name}`,
      help,
      labelNames: [...labels],
      registers: [this.registry],
    })
    this.#known.set(name, metric)
    return metric
  }
}

interface MetricOptions {
  name: string
  help: string
  labelNames: string[]
  registers: PromRegistry[]
}
