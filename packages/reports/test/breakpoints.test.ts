import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { breakpointsReport } from '../src/breakpoints/shape.ts'
import { breakpoints, breakpointsQuery } from '../src/index.ts'
import { business, options } from './arbitrary.ts'
import { naiveBreakpoints } from './naive.ts'
import { createTables, storeAll } from './stored.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

describe('the report from the database', () => {
  test('equals the naive one in every number, whatever is asked', async () => {
    const asked = fc.array(options, { minLength: 6, maxLength: 6, size: 'max' })
    await fc.assert(
      fc.asyncProperty(business, asked, async (one, questions) => {
        await storeAll(db.store, one.catalogue, one.tick, one.people)
        for (const question of [{}, ...questions]) {
          const got = await breakpoints(db.store, breakpointsQuery(question))
          expect(got).toEqual(naiveBreakpoints(one.people, { ...question, catalogue: one.catalogue }, one.tick))
          breakpointsReport.parse(got)
        }
      }),
      { numRuns: 25 },
    )
  })
})
