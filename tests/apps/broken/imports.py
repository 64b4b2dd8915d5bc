"""It imports what is not there."""

import no_such_thing_anywhere

application = no_such_thing_anywhere.application
