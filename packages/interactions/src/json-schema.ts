import * as z from 'zod'
import { mappingFileSchema } from './mapping-file.ts'
import { interactionSchema } from './schema.ts'

/**
 * JSON Schema (2020-12) of an interaction as producers send it. It says less than `validate`: not that a touchpoint is
 * its own lower-case normal form, nor that a text is well-formed, nor anything about the clock.
 */
export function interactionJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(interactionSchema, { io: 'input' })
}

/** JSON Schema (2020-12) of a mapping file, for editors. What stands in the templates it cannot say. */
export function mappingJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(mappingFileSchema, { io: 'input' })
}
