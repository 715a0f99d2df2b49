import {
  type FaultAt,
  type FieldTemplates,
  InvalidMapping,
  type MappingError,
  type Path,
  readMappingFile,
} from './mapping-file.ts'
import { createTimeReader, type TimeReader } from './mapping-time.ts'
import { createNumberReader } from './number.ts'
import { nearestName, type Rejection, show } from './rejection.ts'
import { expectedIn, FIELD_NAMES, type FieldName, interactionSchema, isFieldName } from './schema.ts'
import { slug } from './slug.ts'
import {
  constant,
  finder,
  isEmpty,
  parseTemplate,
  type Scope,
  type Template,
  Unusable,
  type Value,
} from './template.ts'

/** How the rows of one file become interactions. */
export interface Mapping {
  /** How the file is written, as far as the mapping says. */
  readonly file: { readonly delimiter?: string; readonly encoding?: string }
  /** What it asks of a CSV: each gives its error where the columns do not have that. */
  readonly demands: readonly Demand[]
  readonly map: (row: unknown) => readonly MappedRow[]
}

/** What a row became: an input for `validate`, or the reason why nothing came of it. */
export type MappedRow =
  | { readonly ok: true; readonly input: unknown }
  | { readonly ok: false; readonly rejection: Rejection }

type Demand = (columns: readonly string[]) => MappingError | null

/**
 * Reads a mapping file.
 * @throws {InvalidMapping} with every fault found: file, line, column, what was expected and what is there.
 */
export function parseMapping(text: string, fileName: string): Mapping {
  const { config, faultAt } = readMappingFile(text, fileName)
  const { file = {}, time = {}, each, emit, values = {}, ...defaults } = config
  const errors: MappingError[] = []
  const number = createNumberReader(file.decimal)
  const timeReader = createTimeReader(time.format ?? 'iso', time.zone, number)
  if (typeof timeReader !== 'function')
    errors.push(faultAt(['time', timeReader.key], timeReader.expected, timeReader.got))

  const compiler = new Compiler(faultAt, number, errors)
  const shared = compiler.fields(defaults, [])
  const exceptions = new Map(
    Object.entries(values).map(([raw, fields]) => [raw.trim(), compiler.fields(fields, ['values', raw])]),
  )
  const variants = (emit ?? [{}]).map(({ when = {}, ...own }, index): Variant => {
    const fields = compiler.fields(own, ['emit', index])
    return createVariant({
      conditions: compiler.conditions(when, ['emit', index, 'when']),
      fields: { ...shared, ...fields },
      exceptions,
      optional: fields.at !== undefined,
    })
  })
  const elements = each === undefined ? undefined : compiler.each(each)
  for (const [index, { fields }] of variants.entries()) {
    const path = emit === undefined ? [] : ['emit', index]
    const missing = (field: string) => errors.push(faultAt([...path, field], `a template for ${field}`, 'nothing'))
    if (fields.customer === undefined && fields.anonymousId === undefined) missing('customer')
    if (fields.touchpoint === undefined) missing('touchpoint')
    if (fields.at === undefined) missing('at')
  }
  if (errors.length > 0 || typeof timeReader !== 'function') throw new InvalidMapping(errors)

  const { delimiter, encoding } = file
  return {
    file: {
      ...(delimiter === undefined ? {} : { delimiter: delimiter === 'tab' ? '\t' : delimiter }),
      ...(encoding === undefined ? {} : { encoding }),
    },
    demands: compiler.demands,
    map: createMap({ variants, elements, time: timeReader, number, touchpoint: slug }),
  }
}

/**
 * The mapping of files that are already in our own shape. JSON lines (`columns` null) are taken as they are. Of a CSV
 * the columns are named like the fields, and `props.x`; `at` is RFC 3339 or epoch milliseconds; empty cells are absent.
 * @throws {InvalidMapping} where the CSV has other columns, or lacks a required one; `column` counts those of the header.
 */
export function identityMapping(columns: readonly string[] | null, fileName: string): Mapping {
  if (columns === null) return { file: {}, demands: [], map: (row) => [{ ok: true, input: row }] }
  const errors: MappingError[] = []
  const fault = (column: number, field: string, expected: string, got: string) =>
    errors.push({ file: fileName, line: 1, column, field, expected, got })
  const fields: { -readonly [Name in keyof Fields]: Fields[Name] } = {}
  const props: Prop[] = []
  for (const [index, name] of columns.entries()) {
    if (name.startsWith('props.') && name !== 'props.') props.push({ name: name.slice(6), find: finder(name) })
    else if (isFieldName(name) && name !== 'props') fields[name] = cellTemplate(name)
    else {
      const nearest = nearestName(name, FIELD_NAMES)
      const hint = nearest === undefined ? '' : ` (${nearest}?)`
      fault(
        index + 1,
        name,
        `a field of an interaction${hint} or props.${name}; or a mapping that says what it is`,
        show(name),
      )
    }
  }
  if (props.length > 0) fields.props = props
  const missing = (name: string) =>
    fault(1, name, `a column ${name}, or a mapping that says where it is found`, columns.join(', ') || 'nothing')
  if (fields.customer === undefined && fields.anonymousId === undefined) missing('customer')
  if (fields.touchpoint === undefined) missing('touchpoint')
  if (fields.at === undefined) missing('at')
  if (errors.length > 0) throw new InvalidMapping(errors)
  const number = createNumberReader(undefined)
  const time: TimeReader = (value) => number(String(value)) ?? (value as number)
  const variants = [createVariant({ conditions: [], fields, exceptions: new Map(), optional: false })]
  return {
    file: {},
    demands: [],
    map: createMap({ variants, elements: undefined, time, number, touchpoint: (text) => text }),
  }
}

/** The columns that a mapping reads and a CSV does not have: errors, to be shown before the first row is read. */
export function checkMapping(mapping: Mapping, columns: readonly string[]): MappingError[] {
  return mapping.demands.map((demand) => demand(columns)).filter((error) => error !== null)
}

/**
 * The interactions of a row, a record of columns or a JSON value: none of them validated yet, and at least one entry,
 * so that no row is lost without a word. A row that fits no entry of `emit` is one rejection. An entry with a time of
 * its own that is empty in this row did not happen, which is no fault.
 */
export function applyMapping(mapping: Mapping, row: unknown): readonly MappedRow[] {
  return mapping.map(row)
}

/** What is known of a field, by its name. */
type Fields = { readonly [Name in Exclude<FieldName, 'props'>]?: Template } & { readonly props?: readonly Prop[] }

interface Prop {
  readonly name: string
  readonly find: (scope: Scope) => unknown
}

interface Condition {
  readonly find: (scope: Scope) => unknown
  /** As texts; the empty one means: empty, or absent. */
  readonly values: ReadonlySet<string>
}

interface Variant {
  readonly conditions: readonly Condition[]
  readonly fields: Fields
  /** The fields by the raw value of the touchpoint, where that value is an exception. */
  readonly byTouchpoint: ReadonlyMap<string, Fields>
  /** An empty time means that it did not happen. */
  readonly optional: boolean
}

function createVariant(
  of: Omit<Variant, 'byTouchpoint'> & { readonly exceptions: ReadonlyMap<string, Fields> },
): Variant {
  const { exceptions, ...variant } = of
  const byTouchpoint = new Map([...exceptions].map(([raw, fields]) => [raw, { ...variant.fields, ...fields }]))
  return { ...variant, byTouchpoint }
}

function cellTemplate(name: string): Template {
  const find = finder(name)
  const evaluate = (scope: Scope) => {
    const value = find(scope)
    return isEmpty(value) ? undefined : (value as Value)
  }
  return { references: [], evaluate }
}

interface Elements {
  readonly path: string
  readonly find: (scope: Scope) => unknown
}

interface MapParts {
  readonly variants: readonly Variant[]
  readonly elements: Elements | undefined
  readonly time: TimeReader
  readonly number: (text: string) => number | undefined
  readonly touchpoint: (text: string) => string
}

function createMap(parts: MapParts): (row: unknown) => MappedRow[] {
  const { elements } = parts
  return (row) => {
    if (elements === undefined) return mapOne({ row }, parts)
    const list = elements.find({ row })
    if (!Array.isArray(list) || list.length === 0) {
      return [refuse('nothing_emitted', 'each', `a list with elements at {${elements.path}}`, list)]
    }
    return list.flatMap((element: unknown) =>
      typeof element === 'object' && element !== null
        ? mapOne({ row, element }, parts)
        : [refuse('wrong_type', 'each', `an object as each element of {${elements.path}}`, element)],
    )
  }
}

function mapOne(scope: Scope, parts: MapParts): MappedRow[] {
  const results: MappedRow[] = []
  for (const variant of parts.variants) {
    if (!variant.conditions.every((condition) => holds(condition, scope))) continue
    const result = inputOf(variant, scope, parts)
    if (result !== null) results.push(result)
  }
  if (results.length > 0) return results
  return [
    refuse(
      'nothing_emitted',
      'emit',
      'a row that fits `when` of one entry, and has its time',
      scope.element ?? scope.row,
    ),
  ]
}

function holds({ find, values }: Condition, scope: Scope): boolean {
  const value = find(scope)
  return values.has(isEmpty(value) ? '' : String(value).trim())
}

/** Null where the row says that it did not happen. */
function inputOf(variant: Variant, scope: Scope, parts: MapParts): MappedRow | null {
  const raw = variant.fields.touchpoint?.evaluate(scope)
  const special =
    raw === undefined || raw instanceof Unusable ? undefined : variant.byTouchpoint.get(String(raw).trim())
  const fields = special ?? variant.fields
  const input: Record<string, unknown> = {}
  for (const name in fields) {
    const field = name as FieldName
    const value = field === 'props' ? propsOf(fields.props!, scope) : fieldOf(field, fields[field]!, scope, parts)
    if (value instanceof Unusable) return { ok: false, rejection: { field, ...value.rejection } }
    if (value !== undefined) input[field] = value
    else if (field === 'at' && variant.optional) return null
  }
  return { ok: true, input }
}

function fieldOf(
  field: Exclude<FieldName, 'props'>,
  template: Template,
  scope: Scope,
  parts: MapParts,
): Value | undefined | Unusable {
  const value = template.evaluate(scope)
  if (value === undefined || value instanceof Unusable) return value
  switch (field) {
    case 'at':
      return parts.time(value)
    case 'waitMs':
    case 'durationMs':
    case 'value':
    case 'cost': {
      if (typeof value === 'number') return value
      const number = parts.number(String(value))
      return number ?? new Unusable({ reason: 'not_a_number', expected: expectedIn(field), got: show(value) })
    }
    case 'touchpoint': {
      const touchpoint = parts.touchpoint(String(value))
      if (touchpoint !== '') return touchpoint
      return new Unusable({ reason: 'bad_touchpoint', expected: 'a name with letters or digits', got: show(value) })
    }
    default:
      return String(value)
  }
}

function propsOf(props: readonly Prop[], scope: Scope): Record<string, unknown> | undefined {
  const entries = props.map(({ name, find }) => [name, find(scope)] as const).filter(([, value]) => !isEmpty(value))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function refuse(reason: Rejection['reason'], field: string, expected: string, got: unknown): MappedRow {
  return { ok: false, rejection: { reason, field, expected, got: show(got) } }
}

/** Turns the texts of a mapping file into templates, and gathers the columns they read and the faults they have. */
class Compiler {
  readonly demands: Demand[] = []
  readonly #faultAt: FaultAt
  readonly #number: (text: string) => number | undefined
  readonly #errors: MappingError[]

  constructor(faultAt: FaultAt, number: (text: string) => number | undefined, errors: MappingError[]) {
    this.#faultAt = faultAt
    this.#number = number
    this.#errors = errors
  }

  fields(templates: FieldTemplates, path: Path): Fields {
    const fields: { -readonly [Name in keyof Fields]: Fields[Name] } = {}
    for (const name of FIELD_NAMES) {
      const text = templates[name]
      if (text === undefined) continue
      if (name === 'props') fields.props = this.#props(templates.props ?? [], [...path, name])
      else fields[name] = this.#template(name, text as Value, [...path, name])
    }
    return fields
  }

  conditions(when: Readonly<Record<string, unknown>>, path: Path): Condition[] {
    return Object.entries(when).map(([column, values]) => {
      this.#refer(column, [...path, column])
      const list: unknown[] = Array.isArray(values) ? values : [values]
      return { find: finder(column), values: new Set(list.map((value) => String(value ?? '').trim())) }
    })
  }

  each(text: string): Elements | undefined {
    const path = /^\{([^{}|:]+)\}$/.exec(text.trim())?.[1]?.trim()
    if (path === undefined) {
      this.#errors.push(this.#faultAt(['each'], 'one placeholder of a list, as {actionDetails}', show(text)))
      return undefined
    }
    const listError = this.#faultAt(['each'], 'no `each` for a CSV: its rows have no lists', show(text))
    this.demands.push(() => listError)
    return { path, find: finder(path) }
  }

  #props(names: readonly string[], path: Path): Prop[] {
    return names.map((name, index) => {
      this.#refer(name, [...path, index])
      return { name, find: finder(name) }
    })
  }

  #template(name: Exclude<FieldName, 'props'>, text: Value, path: Path): Template {
    const units = name === 'waitMs' || name === 'durationMs'
    const template = typeof text === 'string' ? parseTemplate(text, { units, number: this.#number }) : constant(text)
    if ('expected' in template) {
      this.#errors.push(this.#faultAt(path, template.expected, template.got, template.index))
      return constant('')
    }
    for (const { path: column, index } of template.references) this.#refer(column, path, index)
    if (template.references.length === 0) this.#checkConstant(name, template.evaluate({ row: null }), path)
    return template
  }

  /** What is the same for every row is checked once, here. */
  #checkConstant(name: Exclude<FieldName, 'props'>, value: Value | undefined | Unusable, path: Path): void {
    if (value === undefined || value instanceof Unusable || name === 'at') return
    let input: Value | undefined = String(value)
    if (name === 'touchpoint') input = slug(input)
    else if (['waitMs', 'durationMs', 'value', 'cost'].includes(name)) {
      input = typeof value === 'number' ? value : this.#number(input)
    }
    if (input !== undefined && interactionSchema.shape[name].safeParse(input).success) return
    this.#errors.push(this.#faultAt(path, `${expectedIn(name)}, or a placeholder in braces`, show(value)))
  }

  #refer(column: string, path: Path, index?: number): void {
    this.demands.push((columns) => {
      if (columns.includes(column)) return null
      const nearest = nearestName(column, columns)
      const expected = `${nearest === undefined ? '' : `${nearest}? or another `}column of the file (${columns.join(', ')})`
      return this.#faultAt(path, expected, show(column), index)
    })
  }
}
