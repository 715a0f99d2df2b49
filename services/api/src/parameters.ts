import { nearestName } from '@weaklink/interactions'
import { QueryError } from '@weaklink/reports'
import { Problem } from '@weaklink/runtime'
import { z } from 'zod'

/** The parameters of a question as they came: those that may be repeated as lists, the others as texts. */
export type Given<S extends z.ZodObject> = {
  readonly [K in keyof S['shape']]?: z.input<S['shape'][K]> extends readonly string[] | undefined
    ? readonly string[]
    : string
}

/** The parameter of every route that may hold the key of who asks. */
const KEY = 'key'

/**
 * Reads the query of a URL: which parameters there are stands in the schema, what they may be is for the one who answers.
 *
 * @throws Problem 400 that names what is unknown or given twice
 */
export function parametersOf<S extends z.ZodObject>(schema: S, query: unknown): Given<S> {
  const given: Record<string, string | readonly string[]> = {}
  for (const [name, value] of Object.entries(Object(query) as Record<string, string | string[]>)) {
    if (name === KEY) continue
    if (!Object.hasOwn(schema.shape, name)) throw unknownParameter(name, value, Object.keys(schema.shape))
    const values = [value].flat()
    if (isList(schema.shape[name])) given[name] = values
    else if (values.length === 1) given[name] = values[0] ?? ''
    else throw badParameter(name, values.join(', '), 'it once')
  }
  return given as Given<S>
}

function isList(schema: unknown): boolean {
  return schema instanceof z.ZodOptional && schema.unwrap() instanceof z.ZodArray
}

/** The answer to a value that cannot be met. */
export function badParameter(parameter: string, value: string, expected: string): Problem {
  const detail = `The parameter "${parameter}" is ${JSON.stringify(value)}; expected ${expected}.`
  return new Problem(400, detail, { extra: { parameter, value, expected } })
}

function unknownParameter(parameter: string, value: string | string[], known: readonly string[]): Problem {
  const nearest = nearestName(parameter, known)
  const expected =
    known.length === 0
      ? 'no parameters'
      : `${nearest === undefined ? 'one of ' : `${nearest}, or another of `}${known.join(', ')}`
  return new Problem(400, `There is no parameter ${JSON.stringify(parameter)} here; expected ${expected}.`, {
    extra: { parameter, value: [value].flat().join(', '), expected },
  })
}

/** Reads a question, so that what cannot be met is told in the words of HTTP. */
export function question<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof QueryError ? badParameter(error.option, error.got, error.expected) : error
  }
}
