import { type Alias, type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import * as z from 'zod'
import { nearestName, show } from './rejection.ts'
import { expectedIn, FIELD_NAMES, type FieldName } from './schema.ts'

/** The mapping file as it is written: its shape, and where in it something stands. */

/** What is wrong with a mapping, and where. */
export interface MappingError {
  readonly file: string
  /** 1-based, as is the column. */
  readonly line: number
  readonly column: number
  /** Dotted path of the key, empty for the whole file. */
  readonly field: string
  readonly expected: string
  readonly got: string
}

/** Thrown where a mapping cannot be used; never for a row. */
export class InvalidMapping extends Error {
  readonly errors: readonly MappingError[]

  constructor(errors: readonly MappingError[]) {
    super(errors.map(mappingErrorText).join('\n'))
    this.name = 'InvalidMapping'
    this.errors = errors
  }
}

/** `m.yaml:3:11: customer: expected …, got …` */
export function mappingErrorText({ file, line, column, field, expected, got }: MappingError): string {
  return `${file}:${line}:${column}: ${field === '' ? '' : `${field}: `}expected ${expected}, got ${got}`
}

const scalar = z.union([z.string(), z.number(), z.boolean()])
const scalarOrEmpty = z.union([z.string(), z.number(), z.boolean(), z.null()])

const templates = Object.fromEntries(
  FIELD_NAMES.filter((name) => name !== 'props').map((name) => [
    name,
    scalar.describe(`Template of ${expectedIn(name)}.`).optional(),
  ]),
) as Record<Exclude<FieldName, 'props'>, z.ZodOptional<typeof scalar>>

const fields = {
  ...templates,
  props: z.array(z.string()).describe('Columns, or dotted paths, that become props of the same names.').optional(),
}

export const mappingFileSchema = z
  .strictObject({
    file: z
      .strictObject({
        delimiter: z
          .string()
          .refine((text) => text === 'tab' || text.length === 1)
          .describe('One character between the columns, or tab. Found out where it is not given.')
          .optional(),
        encoding: z
          .string()
          .refine(isEncoding)
          .describe('Name of the encoding, as windows-1251. Default utf-8.')
          .optional(),
        decimal: z.enum(['.', ',']).describe('Decimal mark of numbers; the other one may group thousands.').optional(),
      })
      .describe('How a CSV file is written.')
      .optional(),
    time: z
      .strictObject({
        format: z.string().describe('iso (default), s, ms, us, or luxon tokens, as dd.MM.yyyy HH:mm.').optional(),
        zone: z.string().describe('Time zone of times without an offset, as Europe/Moscow.').optional(),
      })
      .describe('How times are written.')
      .optional(),
    each: z.string().describe('Placeholder of an array: one interaction per element.').optional(),
    emit: z
      .array(
        z.strictObject({
          when: z
            .record(z.string(), z.union([scalarOrEmpty, z.array(scalarOrEmpty)]))
            .describe('Columns and the raw values, one or a list, that they must have.')
            .optional(),
          ...fields,
        }),
      )
      .min(1)
      .describe('Several interactions of one row; the fields of the file are their defaults.')
      .optional(),
    ...fields,
    values: z
      .record(z.string(), z.strictObject(fields))
      .describe("By the touchpoint's raw value: fields that differ there.")
      .optional(),
  })
  .describe('How the rows of a foreign file become interactions.')

export type MappingFile = z.infer<typeof mappingFileSchema>
export type FieldTemplates = z.infer<z.ZodObject<typeof fields>>

export type Path = readonly (string | number)[]

/** Makes the error of something at a path of the file; `index` is an offset within the text of that value. */
export type FaultAt = (path: Path, expected: string, got: string, index?: number) => MappingError

function isEncoding(label: string): boolean {
  try {
    new TextDecoder(label)
    return true
  } catch {
    return false
  }
}

/** Throws InvalidMapping where the text is not YAML or has not the shape of a mapping file. */
export function readMappingFile(text: string, file: string): { config: MappingFile; faultAt: FaultAt } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const errorAt = (offset: number, field: string, expected: string, got: string): MappingError => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), field, expected, got }
  }
  if (document.errors.length > 0) {
    throw new InvalidMapping(document.errors.map(({ pos, message }) => errorAt(pos[0], '', 'YAML', message)))
  }
  const faultAt: FaultAt = (path, expected, got, index) =>
    errorAt(offsetOf(document, text, path, index), path.join('.'), expected, got)
  const content = contentOf(document, (offset, expected, got) => {
    throw new InvalidMapping([errorAt(offset, '', expected, got)])
  })
  const parsed = mappingFileSchema.safeParse(content)
  if (parsed.success) return { config: parsed.data, faultAt }
  throw new InvalidMapping(parsed.error.issues.flatMap((issue) => faultsOf(issue, content, faultAt)))
}

/** The values of the file, its aliases replaced by what they stand for. */
function contentOf(document: Document, fail: (offset: number, expected: string, got: string) => never): unknown {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    // Only aliases can be at fault in well-formed YAML.
    if (!(error instanceof ReferenceError)) throw error
    const aliases: Alias[] = []
    visit(document, { Alias: (_, alias) => void aliases.push(alias) })
    const lost = aliases.find((alias) => alias.resolve(document) === undefined)
    if (lost !== undefined) {
      return fail(lost.range?.[0] ?? 0, `an anchor &${lost.source} before this alias`, `*${lost.source}`)
    }
    const expected = 'fewer than 100 uses of an anchor, uses within uses multiplied'
    return fail(aliases.at(-1)?.range?.[0] ?? 0, expected, `${aliases.length} aliases up to here`)
  }
}

function faultsOf(issue: z.core.$ZodIssue, content: unknown, faultAt: FaultAt): MappingError[] {
  const path = issue.path as Path
  if (issue.code !== 'unrecognized_keys') {
    return [faultAt(path, expectedOf(issue), show(valueAt(content, path)))]
  }
  const known = keysAt(path)
  return issue.keys.map((key) => {
    const nearest = nearestName(key, known)
    const expected = nearest === undefined ? `one of ${known.join(', ')}` : nearest
    return faultAt([...path, key], expected, show(key))
  })
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
}

function expectedOf(issue: z.core.$ZodIssue): string {
  const last = issue.path.at(-1)
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(' ')}`
  if (issue.code === 'invalid_type') return WORDS[issue.expected] ?? issue.expected
  if (issue.code === 'too_small') return 'at least one entry'
  if (last === 'encoding') return 'the name of an encoding, as utf-8 or windows-1251'
  if (last === 'delimiter') return 'one character, or tab'
  return 'a text, a number, true or false'
}

function keysAt(path: Path): readonly string[] {
  const shape = mappingFileSchema.shape
  if (path.length === 0) return Object.keys(shape)
  if (path[0] === 'file') return Object.keys(shape.file.unwrap().shape)
  if (path[0] === 'time') return Object.keys(shape.time.unwrap().shape)
  return path[0] === 'emit' ? ['when', ...Object.keys(fields)] : Object.keys(fields)
}

function valueAt(content: unknown, path: Path): unknown {
  let value = content
  for (const key of path) value = (value as Record<string, unknown> | undefined)?.[key]
  return value
}

/** Where the value at a path begins; for an unknown key, the key; where there is none, what would hold it. */
function offsetOf(document: Document, text: string, path: Path, index: number | undefined): number {
  for (let length = path.length; length > 0; length--) {
    const holder = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const key = path[length - 1]
    const pair = isMap(holder) ? holder.items.find((item) => String(item.key) === String(key)) : undefined
    const value = document.getIn(path.slice(0, length), true)
    if (isNode(value) && value.range && index !== undefined && isScalar(value)) {
      // Only where the source has the very same text (no escapes, no folding) does the offset say anything.
      const start = text.indexOf(String(value.value), value.range[0])
      return start !== -1 && start <= value.range[0] + 1 ? start + index : value.range[0]
    }
    if (pair !== undefined && isNode(pair.key) && pair.key.range && !isKnown(path)) return pair.key.range[0]
    if (isNode(value) && value.range) return value.range[0]
    if (pair !== undefined && isNode(pair.key) && pair.key.range) return pair.key.range[0]
  }
  return 0
}

function isKnown(path: Path): boolean {
  const key = String(path.at(-1))
  const parent = path.slice(0, -1)
  if (['values', 'when'].includes(String(parent.at(-1))) || typeof path.at(-1) === 'number') return true
  if (path.includes('when') || parent.at(-1) === 'props') return true
  return keysAt(parent).includes(key)
}
