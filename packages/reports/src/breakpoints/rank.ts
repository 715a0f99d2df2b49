import type { Breakpoint } from './shape.ts'

/** What is counted at one place of a group. */
export interface PlaceCounts {
  readonly touchpoint: string
  readonly interactions: number
  readonly reached: number
  readonly convertedHere: number
  readonly openHere: number
  readonly ignoredHere: number
  readonly refused: number
  readonly abandoned: number
  readonly dissatisfied: number
  readonly silence: number
  readonly returned: number
  readonly recovered: number
  readonly waitMs: { readonly p50: number | null; readonly p95: number | null }
}

/**
 * The places of one group, the weakest first: by how many more chains broke there than if all places were equally weak.
 * A popular place breaks many chains and says nothing by it.
 */
export function rank(places: readonly PlaceCounts[]): Breakpoint[] {
  const weighed = places.map((place) => ({
    place,
    broke: place.refused + place.abandoned + place.dissatisfied + place.silence,
    exposed: place.reached - place.openHere,
  }))
  const broken = weighed.reduce((sum, { broke }) => sum + broke, 0)
  const exposed = weighed.reduce((sum, place) => sum + place.exposed, 0)
  return (
    weighed
      // All excesses have the denominator `exposed`: whole numerators compare exactly where fractions would not.
      .map((place) => ({
        ...place,
        excess: BigInt(place.broke) * BigInt(exposed) - BigInt(place.exposed) * BigInt(broken),
      }))
      .sort((a, b) =>
        a.excess === b.excess ? (a.place.touchpoint < b.place.touchpoint ? -1 : 1) : a.excess < b.excess ? 1 : -1,
      )
      .map(({ place, broke, exposed: exposedHere }) => {
        const { touchpoint, interactions, reached, convertedHere, openHere, ignoredHere, returned, recovered, waitMs } =
          place
        const { refused, abandoned, dissatisfied, silence } = place
        const expectedBroke = exposed === 0 ? 0 : (exposedHere * broken) / exposed
        return {
          touchpoint,
          interactions,
          reached,
          passed: reached - convertedHere - openHere - ignoredHere - broke,
          convertedHere,
          openHere,
          ignoredHere,
          broke,
          breakRate: exposedHere === 0 ? null : broke / exposedHere,
          expectedBroke,
          excess: broke - expectedBroke,
          shareOfBreaks: broken === 0 ? null : broke / broken,
          returned,
          reasons: { refused, abandoned, dissatisfied, silence },
          recovered,
          waitMs,
        }
      })
  )
}
