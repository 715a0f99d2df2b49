// Writes the JSON Schemas of the files that users write into docs/schemas, for their editors. A test holds them current.
import { writeFileSync } from 'node:fs'
import { catalogueJsonSchema } from '../packages/chains/src/index.ts'
import { interactionJsonSchema, mappingJsonSchema } from '../packages/interactions/src/index.ts'

const schemas = {
  interaction: interactionJsonSchema(),
  mapping: mappingJsonSchema(),
  touchpoints: catalogueJsonSchema(),
}
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../docs/schemas/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
