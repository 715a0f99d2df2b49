import { createHash } from 'node:crypto'
import type { Alert, Memory, MemoryRecord } from '../../src/alert.ts'

/** A Monday in winter, 03:00 in the morning. */
export const NIGHT = Date.parse('2026-01-12T03:00:00Z')

export function alert(over: Partial<Alert> & { readonly id?: string } = {}): Alert {
  const { id = 'anna', ...rest } = over
  const rule = rest.rule ?? 'waiting-too-long'
  return {
    key: createHash('sha256').update(`${rule}${id}`).digest('hex'),
    rule,
    labels: { alertname: rule, severity: 'page', queue: 'support', customer: id },
    summary: `${id} has waited 2 min in support`,
    description: 'Nobody has answered yet.',
    runbook: 'https://runbooks.example.com/waiting',
    startsAt: NIGHT,
    endsAt: null,
    value: 120,
    ...rest,
  }
}

/** A memory that lives as long as the test; who is recalled from it is a process that starts. */
export class TestMemory implements Memory {
  readonly records: MemoryRecord[] = []
  /** The next writes fail. */
  broken = false

  async remember(records: readonly Omit<MemoryRecord, 'timestamp'>[]): Promise<void> {
    if (this.broken) throw new Error('the log is away')
    for (const record of records) {
      this.records.push({ ...(JSON.parse(JSON.stringify(record)) as typeof record), timestamp: Date.now() })
    }
  }

  async load(): Promise<readonly MemoryRecord[]> {
    const newest = new Map<string, MemoryRecord>()
    for (const record of this.records) {
      newest.delete(record.key)
      if (record.value !== null) newest.set(record.key, record)
    }
    return [...newest.values()]
  }
}
