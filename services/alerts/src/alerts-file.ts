import { nearestName, show } from '@weaklink/interactions'
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml'
import { z } from 'zod'
import { mayBeSecret, type NotifyConfig, NotifyError, notifySchema, resolveNotify } from './notify/index.ts'
import type { Rule } from './rules/rule.ts'
import { KINDS, rulesOf, rulesSchema } from './rules/schema.ts'

/** What `alerts.yaml` says. */
export interface AlertsConfig {
  readonly rules: readonly Rule[]
  /** Who is told; null: nobody, the alerts are only listed. */
  readonly notify: NotifyConfig | null
}

/** One thing that is wrong with the file, and where. Lines and columns count from 1. */
export interface AlertsProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** As in `rules[3].waiting.longerThan`; empty for the file as a whole. */
  readonly path: string
  /** Never shows what may be secret. */
  readonly got: string
  readonly expected: string
}

/** Everything that is wrong with `alerts.yaml`; the message has one line for each problem. */
export class AlertsFileError extends Error {
  readonly problems: readonly AlertsProblem[]

  constructor(problems: readonly AlertsProblem[]) {
    const texts = problems.map(
      ({ file, line, column, path, got, expected }) =>
        `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: got ${got}, expected ${expected}`,
    )
    super(texts.join('\n'))
    this.name = 'AlertsFileError'
    this.problems = problems
  }
}

const fileSchema = z.strictObject(
  {
    rules: rulesSchema.describe('What is wrong when.'),
    notify: notifySchema.optional().describe('Who is told. Default: nobody; the alerts are only listed.'),
  },
  { error: 'a map with rules and, optionally, notify' },
)

/** JSON Schema (2020-12) of `alerts.yaml`, for editors. */
export function alertsJsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, { io: 'input' })
  const rules = schema.properties?.rules
  if (typeof rules === 'object' && typeof rules.items === 'object' && !Array.isArray(rules.items)) {
    Object.assign(rules.items, { oneOf: KINDS.map((kind) => ({ required: [kind] })) })
  }
  return { title: 'Weaklink alerts.yaml', ...schema }
}

type Path = readonly PropertyKey[]

/**
 * Reads the text of an `alerts.yaml`.
 *
 * @param fileName only for the messages
 * @param environment what each `${NAME}` in `notify:` is taken from
 * @throws AlertsFileError with all problems: bad YAML; an unknown key, a wrong type or value; a rule without exactly one
 * condition; a variable that is missing
 */
export function parseAlerts(
  text: string,
  fileName: string,
  environment: Readonly<Record<string, string | undefined>>,
): AlertsConfig {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problemAt = (offset: number, path: Path, got: string, expected: string): AlertsProblem => {
    const { line, col } = lines.linePos(offset)
    return { file: fileName, line: Math.max(line, 1), column: Math.max(col, 1), path: shown(path), got, expected }
  }
  // From the first line on that begins something else than the rules.
  const secretFrom = /^(?!rules\b|[\s#-])./m.exec(text)?.index ?? Number.POSITIVE_INFINITY
  const found: AlertsProblem[] = [...document.errors, ...document.warnings].map(({ pos, message, code }) => {
    // What is wrong there may be part of a secret, and the message of the parser may hold it too.
    if (pos[0] >= secretFrom) return problemAt(pos[0], [], 'something else (not shown)', `YAML (${code})`)
    const line = text.split('\n')[lines.linePos(pos[0]).line - 1] ?? ''
    return problemAt(pos[0], [], show(line.trim()), `YAML (${message})`)
  })
  if (found.length > 0) throw new AlertsFileError(found)
  const content = contentOf(document, (message) => {
    throw new AlertsFileError([problemAt(0, [], 'an alias', message)])
  })
  const parsed = fileSchema.safeParse(content)
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') {
        const known = keysAt(fileSchema, issue.path)
        return issue.keys.map((key) => {
          const at = [...issue.path, key]
          // A slip such as `url:https://…` makes a key of a secret.
          const isShown = !mayBeSecret([...issue.path, '']) || /^[A-Za-z]{1,20}$/.test(key)
          const path = isShown ? at : issue.path
          const nearest = nearestName(key, known)
          const expected =
            nearest === undefined ? `one of ${known.join(', ')}` : `${show(nearest)} (the nearest known one)`
          return problemAt(
            offsetOf(document, at),
            path,
            isShown ? `the unknown key ${show(key)}` : 'an unknown key (not shown)',
            expected,
          )
        })
      }
      const got = mayBeSecret(issue.path) ? 'something else (not shown)' : described(valueAt(content, issue.path))
      return problemAt(offsetOf(document, issue.path), issue.path, got, messageOf(issue))
    })
    throw new AlertsFileError(problems.sort((a, b) => a.line - b.line || a.column - b.column))
  }
  const { rules, notify } = parsed.data
  try {
    return { rules: rulesOf(rules), notify: notify === undefined ? null : resolveNotify(notify, environment) }
  } catch (error) {
    if (!(error instanceof NotifyError)) throw error
    throw new AlertsFileError(
      error.problems.map(({ path, got, expected }) => {
        const whole = ['notify', ...path]
        return problemAt(offsetOf(document, whole), whole, got, expected)
      }),
    )
  }
}

function contentOf(document: Document, fail: (message: string) => never): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // Only aliases can be at fault in well-formed YAML.
    if (!(error instanceof ReferenceError)) throw error
    return fail('aliases whose anchors stand before them, and fewer than 100 uses of each')
  }
}

/** Of a key or a value of a map the schema of that says best what was expected. */
function messageOf(issue: z.core.$ZodIssue): string {
  return issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
}

/** The keys that a map at a path may have. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema
  for (const key of path) {
    at = bare(at)
    if (at instanceof z.ZodObject) at = at.shape[String(key)]
    else if (at instanceof z.ZodArray) at = at.element
    else return []
  }
  at = bare(at)
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}

function bare(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? bare(schema.unwrap()) : schema
}

function valueAt(content: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    content,
  )
}

function described(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : show(value)
}

/** As in `rules[3].waiting.longerThan`. */
function shown(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

/** Where in the text a path stands: its value; the key, where the schema does not know it; else the nearest thing around it. */
function offsetOf(document: Document.Parsed, path: Path): number {
  let node: Node | null = document.contents
  let offset = node?.range?.[0] ?? 0
  for (const [index, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (isSeq<ParsedNode>(node)) node = node.items[Number(key)] ?? null
    else if (isMap<ParsedNode, ParsedNode | null>(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      if (pair === undefined) return offset
      offset = pair.key.range[0]
      const known = keysAt(fileSchema, path.slice(0, index))
      if (known.length > 0 && !known.includes(String(key))) return offset
      node = pair.value
    } else return offset
    offset = node?.range?.[0] ?? offset
  }
  return offset
}
