"""What breaks between a real browser and a real server, and that the pages tell the truth
meanwhile and come right by themselves.
"""
