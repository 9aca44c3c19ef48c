"""Writes a run folder's points into a database and reads them back: the folder is the truth, a database a view of it.

`target` is where to (`testbed.token` by what right), `server` how a server of each kind is spoken to, `answers` what
its refusals mean. `delivery` gets a batch there, `reading` and `comparison` look at what is there, `export` does all
of it for a run; `cursor` and `dead_letters` are what it keeps in the run folder. `feed` exports a campaign trial
after trial, `live` writes points of its server host while a trial runs.
"""
