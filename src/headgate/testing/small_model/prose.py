"""The page of prose that the small model knows; written for it, about nothing that matters."""

PROSE = """
The canal begins at the foot of the hills where the river leaves the stones behind.
A wooden gate stands at the head of the canal and a stone sill lies under the gate.
When the gate is raised a little the water runs quietly along the bank.
When the gate is raised too far the water runs over the bank and into the lower field.
The keeper of the gate lives in a small house near the bridge.
In the morning the keeper walks along the bank and looks at the marks on the stone.
The marks on the stone show how high the water stood in the spring and in the dry summer.
The keeper raises the gate by one notch and waits for the water to settle.
If the water is clear and the bank is dry the keeper raises the gate by another notch.
If the water is brown or the bank is wet the keeper lowers the gate at once.
Nobody in the valley remembers a year without a flood, and nobody remembers a year without a harvest.
The first field is the smallest field in the valley and it drinks before the others.
The second field lies along the road, and the third field lies beyond the row of poplars.
Each field has a ditch, each ditch has a board, and each board has a number.
The number on the board is the number of notches that the field may take in a day.
A boy carries the numbers from the house to the fields and carries the answers back.
The answers are written in a long book that lies on the table in the house.
The book has a line for every day, and no line in the book was ever rubbed out.
In the dry summer the lines are short, because the water is low and the gate is closed.
In the spring the lines are long, because the snow melts and the river is high.
The miller asks for more water when the wheel turns slowly.
The keeper answers that the wheel may wait, because the bank is wet and the night is near.
The miller and the keeper have known each other for many years and they do not quarrel.
A heron stands in the lower field and looks at the water for a long time.
Swallows fly under the bridge in the evening and return to the same beams in the morning.
The poplars along the road are older than the bridge and younger than the mill.
The road runs along the canal, crosses the bridge, and climbs slowly into the hills.
On market days carts come down the road with apples, with wool, and with lamp oil.
Rain comes from the west and wind comes from the north, but the water always comes from the hills.
After the rain the water is brown for a day and clear on the next morning.
The keeper opens the book, writes down the height of the water, and closes the book.
A gate that is opened slowly can be closed quickly, and a gate that is opened quickly cannot always be closed.
The bank is built of clay and willow, and it is mended every winter.
The willow is cut in the winter, the clay is carried in the spring, and the stone is laid in the dry summer.
People from the next valley came to look at the gate and measured the sill with a rope.
They built a gate of their own, and their keeper walks along the bank in the morning too.
The water that leaves the last field returns to the river below the mill.
Below the mill the river is wide and slow, and boats carry stone from one bank to the other.
At night a lamp burns in the window of the small house, and the gate is never left alone.
The lamp in the window shows the carts where the bridge begins and where the road ends.
"""
