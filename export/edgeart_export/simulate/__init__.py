# SPDX-License-Identifier: Apache-2.0
"""A simulated audience: a service with members, titles and artworks, in which the truth is known.

What a service would know of itself is in `catalogue` and `audience`: titles, artworks and their
tags, what members played before, who comes when, how the homepage is laid out and how far each
visit looks. What only the world knows is in `truth`: what members like and how they respond.
Nothing that learns, attributes or estimates may import this package
(tests/house/test_truth_is_hidden.py).

The world, all of it drawn from one seed:

* Members have a taste over six genres and two leanings that no feature describes. The service knows
  of the taste only what some earlier plays say, one in six of which was somebody else's choice; of
  one member in eight it knows nothing.
* Titles have genres and a popularity. The homepage sorts them by popularity and by how well their
  genres meet the known taste, so that popular titles stand higher. Visits look at the upper rows
  more than at the lower ones and at the left more than at the right; what nobody saw was not shown.
* Each title has four to ten artworks at a time. An artwork shows a motif; motifs speak to genres
  and leanings in their own strength in each title. One tag in eight names the wrong motif.
  Artworks are
  added and withdrawn over the days.
* Seeing an artwork, a member takes the title or does not, a few in a hundred do. Taken titles leave
  the homepage. Two plays in three begin within the visit, the others hours later, up to two days;
  some last a few minutes only. One picture in a hundred does not load and another is shown.
* Members come now and then, some of them daily, some once in weeks, once or twice a day; within a
  visit a title may be shown more than once.
"""
