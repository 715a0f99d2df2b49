import { columnOf, type Key, type Params } from '../keys.ts'

/** What the query reads of an interaction inside an episode, in the order of the tuples made of it. */
const MEMBER = ['episode', 'position', 'touchpoint', 'at', 'by', 'outcome', 'reaction', 'place', 'waitMs'] as const

/**
 * The episodes of one group, as if each were a chain (README.md has the definitions).
 *
 * The interactions of a chain are zipped, sorted by episode and split, never looked up by index inside a lambda: what a
 * lambda captures is copied for every element, which a chain of thousands of interactions would not survive.
 *
 * @param steps the steps of the catalogue, for `at: 'furthest'`
 */
export function episodeUnits(
  group: string,
  keys: readonly Key[],
  at: 'place' | 'furthest',
  steps: ReadonlyMap<string, number>,
  params: Params,
): string {
  const extra = [...new Set(keys.flatMap((key) => columnOf(key) ?? []))].filter((name) => !isMember(name))
  const fields = [...MEMBER, ...extra]
  const field = (of: string, name: string) => `tupleElement(${of}, ${fields.indexOf(name) + 1})`
  const own = (name: string) => field('m', name)
  const first = (name: string) => field('members[1]', name)
  const last = (name: string) => field('members[-1]', name)
  const bad = (of: string) =>
    `(${field(of, 'outcome')} IN ('abandoned', 'refused') OR ${field(of, 'reaction')} = 'negative')`
  const acts = `${own('by')} = 'customer' AND ${own('outcome')} NOT IN ('refused', 'abandoned')`
  const groupParam = params.bind(group, 'String')
  const stepIds = params.bind([...steps.keys()], 'Array(String)')
  const stepValues = params.bind([...steps.values()], 'Array(Float64)')
  // Places without a step lie below every step; where no place has one, the furthest is the last place.
  const stepSql = (touchpoint: string) =>
    steps.size === 0 ? '0' : `transform(toString(${touchpoint}), ${stepIds}, ${stepValues}, -1e300)`

  const ofChains = `
    SELECT kind, customer, ordinal, state, episodeIds, episodeGroups, bodyLength,
      arraySort(m -> (${own('episode')}, ${own('position')}),
        arrayFilter((m, episode, epilogue) -> NOT epilogue AND episode != '',
          arrayZip(${fields.map((name) => `i_${name}`).join(', ')}), i_episode, i_epilogue)) AS sorted,
      arrayMap(m -> ${own('episode')}, sorted) AS episodes
    FROM (
      SELECT kind, customer, ordinal, state, episodeIds, episodeGroups, i_epilogue,
        ${fields
          .filter((name) => name !== 'position')
          .map((name) => `i_${name}`)
          .join(', ')},
        arrayEnumerate(i_episode) AS i_position, countEqual(i_epilogue, false) AS bodyLength
      FROM customer_chains FINAL
      ARRAY JOIN chains.ordinal AS ordinal, chains.state AS state,
        chains.episodes.id AS episodeIds, chains.episodes.group AS episodeGroups,
        chains.interactions.epilogue AS i_epilogue,
        ${fields
          .filter((name) => name !== 'position')
          .map((name) => `chains.interactions.${name} AS i_${name}`)
          .join(', ')}
      WHERE has(episodeGroups, ${groupParam}))`

  const episodes = `
    SELECT kind, customer, ordinal, state AS chainState, members, bodyLength
    FROM (${ofChains})
    ARRAY JOIN
      arraySplit((m, opens) -> opens, sorted,
        arrayMap((episode, before) -> episode != before, episodes, arrayPopBack(arrayPushFront(episodes, '')))) AS members,
      arraySort((name, id) -> id, episodeGroups, episodeIds) AS episodeGroup
    WHERE episodeGroup = ${groupParam}`

  const placed = `
    SELECT kind, customer, chainState, members, bodyLength,
      ordinal * 4294967296 + ${first('position')} AS seq,
      arrayExists(m -> ${own('place')}, members) AS hasPlaces,
      if(hasPlaces, arrayFilter(m -> ${own('place')}, members), members) AS places,
      arrayMap(m -> ${stepSql(own('touchpoint'))}, places) AS placeSteps,
      arrayMax(placeSteps) AS topStep,
      arrayLast((m, step) -> step = topStep, places, placeSteps) AS furthest,
      arrayMax(m -> if(${acts}, ${own('position')}, 0), members) AS lastAct,
      ${bad('members[-1]')} AS broke,
      chainState = 'open' AND ${last('position')} = bodyLength AS stillOpen
    FROM (${episodes})`

  const ended = `
    SELECT kind, customer, seq,
      multiIf(broke, 'broken', stillOpen, 'open', chainState = 'ignored', 'ignored', 'converted') AS state,
      multiIf(NOT broke, '', ${last('outcome')} = 'refused', 'refused', ${last('outcome')} = 'abandoned', 'abandoned',
        'dissatisfied') AS reason,
      if(state = 'converted' OR ${at === 'place'}, ${field('places[-1]', 'touchpoint')}, ${field('furthest', 'touchpoint')}) AS place,
      ${first('at')} AS startedAt,
      if(state = 'open', NULL, ${last('at')}) AS closedAt,
      state = 'open' AND (${field('places[-1]', 'outcome')} = 'abandoned' OR ${field('places[-1]', 'reaction')} = 'negative') AS atRisk,
      false AS reversed, false AS complained,
      arrayDistinct(arrayMap(m -> ${own('touchpoint')},
        arrayFilter(m -> ${bad('m')} AND ${own('position')} < lastAct, places))) AS recovered,
      arrayMap(m -> ${own('touchpoint')}, members) AS touchpoints,
      arrayMap(m -> ${own('place')} OR NOT hasPlaces, members) AS isPlace,
      arrayMap(m -> false, members) AS isEpilogue,
      arrayMap(m -> ${own('waitMs')}, members) AS waits,
      arrayExists(m -> ${own('by')} = 'customer', members) AS acted,
      arrayExists(m -> ${own('by')} = 'customer' OR ${own('outcome')} IN ('bought', 'refused'), members) AS contact
      ${keys
        .flatMap((key) => columnOf(key) ?? [])
        .map((name) => `, ${first(name)} AS first_${name}`)
        .join('')}
    FROM (${placed})`

  return `
    SELECT *,
      state = 'broken' AND max(if(acted, seq, 0)) OVER customers > seq AS returned,
      state = 'broken' AND max(if(acted AND state = 'converted', seq, 0)) OVER customers > seq AS returnedAndBought,
      min(if(contact, seq, 18446744073709551615)) OVER customers < seq AS returning
    FROM (${ended})
    WINDOW customers AS (PARTITION BY kind, customer)`
}

function isMember(name: string): boolean {
  return (MEMBER as readonly string[]).includes(name)
}
