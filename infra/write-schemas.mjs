// Writes the JSON Schemas of what users write and read into docs/schemas, for their editors, and the AsyncAPI document of the
// topics in Kafka. Tests hold them current.
import { writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { breakJsonSchema, catalogueJsonSchema } from '../packages/chains/src/index.ts'
import { interactionJsonSchema, mappingJsonSchema } from '../packages/interactions/src/index.ts'
import { alertsJsonSchema } from '../services/alerts/src/alerts-file.ts'
import { asyncApi } from './asyncapi.ts'

const schemas = {
  interaction: interactionJsonSchema(),
  mapping: mappingJsonSchema(),
  touchpoints: catalogueJsonSchema(),
  break: breakJsonSchema(),
  alerts: alertsJsonSchema(),
}
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`../docs/schemas/${name}.schema.json`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}

const asyncApiFile = new URL('../docs/asyncapi.yaml', import.meta.url)
const heading = '# Written by npm run schemas; see docs/kafka.md.\n'
writeFileSync(asyncApiFile, heading + stringify(asyncApi(), { lineWidth: 120, aliasDuplicateObjects: false }))
