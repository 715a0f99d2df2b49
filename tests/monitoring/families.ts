/** A metric as a text of /metrics says it. */
export interface Family {
  readonly type: string
  /** Names of labels that a series of it has; not `le`. */
  readonly labels: ReadonlySet<string>
  readonly hasSeries: boolean
}

/** All metrics in a text, by name. */
export function familiesOf(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, { type: string; labels: Set<string>; hasSeries: boolean }>()
  for (const line of text.split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (name !== '' && !families.has(name)) families.set(name, { type, labels: new Set(), hasSeries: false })
    const [, series = '', labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    const family = families.get(series) ?? families.get(series.replace(/_(bucket|count|sum)$/, ''))
    if (family !== undefined) family.hasSeries = true
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) if (label !== 'le') family?.labels.add(label)
  }
  return families
}

/** The series of ours in a text, for messages. */
export function told(text: string): string {
  return text
    .split('\n')
    .filter((line) => line.startsWith('weaklink_') && !line.includes('_bucket'))
    .join('\n')
}
